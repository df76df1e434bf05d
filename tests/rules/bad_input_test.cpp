// Bad input as data, by the categories of tests/bad_input: text of a spec (J), hyperparameters (H), rules (R),
// parameter lists (P), ties (T). A case replaces a stretch of the file's spec or model, or brings one of its own, and
// names every finding in order: nothing is accepted silently, and nothing is reported that is not asked for.
#include <doctest/doctest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "core/json.h"
#include "rules/codes.h"
#include "rules/manifest.h"
#include "rules/planner.h"
#include "rules/plugins_json.h"

using namespace switchyard;

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file, path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const Registry& registry() {
  static const auto out = registry_from_json(read_file(SWITCHYARD_SOURCE_DIR "/schemas/plugins.json"));
  return out;
}

std::string bytes_of(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

/// The text that a case is about: "<key>" (a document, or the text itself), "<key>_bytes" (hexadecimal),
/// "<key>_replace" ([from, to, ...] in the file's), or the file's own.
std::string text_of(const Json& file, const Json& one, const std::string& key) {
  if (const auto* hex = one.find(key + "_bytes")) return bytes_of(hex->as_string());
  const auto* own = one.find(key);
  const auto* value = own != nullptr ? own : file.find(key);
  REQUIRE_MESSAGE(value != nullptr, "no " << key);
  auto text = value->is(Json::Kind::string) ? value->as_string() : dump_json(*value, 2);
  if (const auto* replace = one.find(key + "_replace")) {
    for (std::size_t i = 0; i + 1 < replace->size(); i += 2) {
      const auto& from = replace->items()[i].as_string();
      const auto at = text.find(from);
      REQUIRE_MESSAGE(at != std::string::npos, "nothing to replace: " << from);
      text.replace(at, from.size(), replace->items()[i + 1].as_string());
    }
  }
  return text;
}

Diagnostics findings_of(const std::string& spec_text, const std::string& model_text) {
  Diagnostics out;
  const auto model = read_manifest(model_text, "model.json", out);
  CHECK(model.has_value() != out.has_errors());
  const auto spec = parse_spec(spec_text, "spec.json", registry(), out);
  if (spec && model) {
    const auto plan = make_plan(*spec, model->table, registry(), out);
    CHECK(plan.has_value() != out.has_errors());
  } else {
    CHECK(out.has_errors());
  }
  return out;
}

void check_case(const Json& file, const Json& one) {
  const auto spec = text_of(file, one, "spec");
  const auto model = text_of(file, one, "model");
  const auto begin = std::clock();
  const auto found = findings_of(spec, model);
  // Processor time, with room for sanitizers: every case is a small file.
  CHECK(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC < 2);
  const Sources sources = {{"spec.json", spec}, {"model.json", model}};
  const auto rendered = render(found, sources);
  INFO(rendered);
  std::string got;
  for (const auto& item : found.items()) {
    got += (got.empty() ? "" : ", ") + std::string(to_string(item.severity)) + " " + item.code;
    CHECK_FALSE(meaning_of(item.code).empty());
    CHECK((!item.place.span.file.empty() || !item.subject.empty() || item.code == "SWY-2015"));
  }
  CHECK(got == one.find("finds")->as_string());
  if (const auto* says = one.find("says")) CHECK(rendered.find(says->as_string()) != std::string::npos);
}

}  // namespace

TEST_CASE("bad input: every case finds what it should, and only that") {
  std::set<std::string> ids;
  std::size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SWITCHYARD_SOURCE_DIR "/tests/bad_input")) {
    const auto text = read_file(entry.path());
    Diagnostics found;
    const auto file = parse_json(text, entry.path().string(), found);
    REQUIRE_MESSAGE(file, render(found, {{entry.path().string(), text}}));
    for (const auto& one : file->find("cases")->items()) {
      INFO("case ", one.find("about")->as_string());
      check_case(*file, one);
      CHECK(ids.insert(entry.path().stem().string() + one.find("about")->as_string()).second);
      ++cases;
    }
  }
  CHECK(cases >= 150);
}

namespace {

/// "J28" of a text like "// Covers J28, J29." or "\"about\": \"J28 ...".
void collect_ids(const std::string& text, std::size_t at, std::size_t end, std::set<std::string>& out) {
  std::string id;
  for (; at <= end; ++at) {
    const char c = at < end ? text[at] : ' ';
    const bool letter = c == 'J' || c == 'H' || c == 'R' || c == 'P' || c == 'T';
    if ((letter && id.empty()) || (!id.empty() && c >= '0' && c <= '9')) {
      id += c;
    } else {
      if (id.size() > 1) out.insert(id);
      id.clear();
    }
  }
}

/// Ids at the beginning of what a case is about, in the data files of these folders.
std::set<std::string> ids_in_data() {
  std::set<std::string> out;
  for (const char* folder : {"/tests/bad_input", "/tests/plans"}) {
    for (const auto& entry : std::filesystem::directory_iterator(std::string(SWITCHYARD_SOURCE_DIR) + folder)) {
      const auto text = read_file(entry.path());
      const std::string key = "\"about\": \"";
      for (auto at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
        const auto begin = at + key.size();
        collect_ids(text, begin, std::min(text.find_first_of(" \"", begin), text.size()), out);
      }
    }
  }
  return out;
}

/// Ids in comments "// Covers J28, J29." right above a test.
std::set<std::string> ids_in_tests() {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(SWITCHYARD_SOURCE_DIR "/tests")) {
    if (entry.path().extension() != ".cpp") continue;
    const auto text = read_file(entry.path());
    const std::string key = "\n// Covers ";
    for (auto at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
      const auto end = std::min(text.find('\n', at + 1), text.size());
      CHECK_MESSAGE(text.compare(end + 1, 10, "TEST_CASE(") == 0, entry.path().string() << text.substr(at, end - at));
      collect_ids(text, at + key.size(), end, out);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("bad input: every kind of it is a case here or has a test elsewhere") {
  // The categories and how many kinds each has: text of a spec, hyperparameters, rules, parameter lists, ties.
  const std::pair<char, int> categories[] = {{'J', 73}, {'H', 47}, {'R', 55}, {'P', 31}, {'T', 15}};
  auto known = ids_in_data();
  known.merge(ids_in_tests());
  // A parameter on read-only memory: no call says that of a tensor, so the first step ends the process.
  known.insert("P28");
  std::string missing;
  for (const auto& category : categories) {
    for (int i = 1; i <= category.second; ++i) {
      const auto id = category.first + std::to_string(i);
      if (known.count(id) == 0) missing += (missing.empty() ? "" : " ") + id;
    }
  }
  CHECK(missing == "");
}
