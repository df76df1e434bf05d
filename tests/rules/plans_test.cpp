// Runs the data files of tests/plans. A file holds `spec` (an object, or the text itself), `model` (a manifest) and
// either `expect` or `cases`: {"about", "spec"?, "model"?, "expect"} with a spec of its own, or {"about", "replace":
// [from, to], ...} where one stretch of the spec's text is replaced and exactly one error is expected.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/json.h"
#include "rules/codes.h"
#include "rules/manifest.h"
#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

struct Outcome {
  std::string text;
  Diagnostics diagnostics;
  std::optional<Plan> plan;
  Sources sources;
};

Outcome run(const std::string& spec_text, const Json& model) {
  Outcome out;
  out.text = spec_text;
  out.sources["spec.json"] = spec_text;
  const auto registry = test::registry();
  const auto table = parse_manifest(dump_json(model), "model.json", out.diagnostics);
  REQUIRE_MESSAGE(table, render(out.diagnostics, out.sources));
  const auto spec = parse_spec(spec_text, "spec.json", registry, out.diagnostics);
  if (spec) out.plan = make_plan(*spec, *table, registry, out.diagnostics);
  return out;
}

std::string text_of(const Json& spec) { return spec.is(Json::Kind::string) ? spec.as_string() : dump_json(spec, 2); }

std::string everything(const Diagnostic& item) {
  auto out = item.message + "\n" + item.label + "\n" + item.help;
  for (const auto& note : item.notes) out += "\n" + note;
  for (const auto& related : item.related) out += "\n" + related.message;
  return out;
}

void check_diagnostic(const Outcome& outcome, const Diagnostic& item, const Json& want) {
  CHECK(item.code == want.find("code")->as_string());
  CHECK_FALSE(meaning_of(item.code).empty());
  if (const auto* severity = want.find("severity")) CHECK(to_string(item.severity) == severity->as_string());
  const auto place = line_column(outcome.text, item.place.span.offset);
  if (const auto* line = want.find("line")) CHECK(place.line == line->as_int());
  if (const auto* column = want.find("column")) CHECK(place.column == column->as_int());
  if (const auto* at = want.find("at")) {
    CHECK(item.place.span.file == "spec.json");
    CHECK(outcome.text.substr(item.place.span.offset, at->as_string().size()) == at->as_string());
    CHECK(item.place.span.length >= 1);
  }
  if (const auto* pointer = want.find("pointer")) CHECK(item.place.pointer == pointer->as_string());
  if (const auto* subject = want.find("subject")) CHECK(item.subject == subject->as_string());
  const auto all = everything(item);
  if (const auto* list = want.find("lacks")) {
    for (const auto& part : list->items())
      CHECK_MESSAGE(all.find(part.as_string()) == std::string::npos, all << "\nhas " << part.as_string());
  }
  for (const auto* key : {"contains", "help"}) {
    const auto* list = want.find(key);
    if (list == nullptr) continue;
    for (const auto& part : list->items())
      CHECK_MESSAGE(all.find(part.as_string()) != std::string::npos, all << "\nlacks " << part.as_string());
  }
}

void check_parameter(const PlannedParameter& parameter, const Json& want) {
  INFO("parameter ", parameter.info.name());
  for (const auto& member : want.members()) {
    const auto& key = member.key;
    const auto& value = member.value;
    INFO("key ", key);
    if (key == "rule")
      CHECK(parameter.rule == value.as_string());
    else if (key == "optimizer")
      CHECK(parameter.optimizer == value.as_string());
    else if (key == "reason")
      CHECK(parameter.reason == value.as_string());
    else if (key == "lr")
      CHECK(parameter.factors.lr() == doctest::Approx(value.as_double()).epsilon(1e-15));
    else if (key == "lr_scale")
      CHECK(parameter.factors.scale() == doctest::Approx(value.as_double()).epsilon(1e-15));
    else if (key == "decay_scale")
      CHECK(parameter.decay_scale == value.as_double());
    else if (key == "settings") {
      for (const auto& setting : value.members()) {
        const auto* found = find_option(parameter.settings, setting.key);
        REQUIRE(found != nullptr);
        CHECK(to_string(*found) == to_string(*option_value_from_json(setting.value)));
      }
    } else if (key == "own") {
      Json own = Json::array();
      for (const auto& name : parameter.own_settings) own.push(Json::string(name));
      CHECK(dump_json(own) == dump_json(value));
    } else if (key == "parts") {  // [name, out, in, count]
      Json parts = Json::array();
      for (const auto& part : parameter.parts) {
        Json entry = Json::array();
        entry.push(Json::string(part.name));
        for (const auto number : {part.out, part.in, part.count}) entry.push(Json::integer(number));
        parts.push(std::move(entry));
      }
      CHECK(dump_json(parts) == dump_json(value));
    } else {
      FAIL("unknown key of an expectation");
    }
  }
}

void check_expect(const Outcome& outcome, const Json& expect) {
  static const Json none = Json::array();
  const auto* listed = expect.find("diagnostics");
  const auto& wanted = (listed == nullptr ? none : *listed).items();
  INFO(render(outcome.diagnostics, outcome.sources));
  REQUIRE(outcome.diagnostics.items().size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) check_diagnostic(outcome, outcome.diagnostics.items()[i], wanted[i]);
  CHECK(outcome.plan.has_value() != outcome.diagnostics.has_errors());
  if (const auto* parameters = expect.find("parameters")) {
    REQUIRE(outcome.plan);
    for (const auto& want : parameters->members()) {
      const auto* parameter = outcome.plan->find(want.key);
      REQUIRE_MESSAGE(parameter != nullptr, want.key);
      check_parameter(*parameter, want.value);
    }
  }
  if (const auto* rules = expect.find("rules")) {  // id: [matched, won]
    REQUIRE(outcome.plan);
    for (const auto& rule : outcome.plan->rules) {
      const auto* want = rules->find(rule.id);
      REQUIRE_MESSAGE(want != nullptr, rule.id);
      CHECK_MESSAGE(rule.matched == want->items()[0].as_int(), rule.id);
      CHECK_MESSAGE(rule.won == want->items()[1].as_int(), rule.id);
    }
  }
}

void check_mistake(const std::string& good, const Json& model, const Json& one) {
  auto text = good;
  const auto& from = one.find("replace")->items()[0].as_string();
  const auto& to = one.find("replace")->items()[1].as_string();
  const auto at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, "nothing to replace: " << from);
  text.replace(at, from.size(), to);
  const auto outcome = run(text, model);
  INFO(render(outcome.diagnostics, outcome.sources));
  CHECK_FALSE(outcome.plan);
  std::vector<const Diagnostic*> errors;
  for (const auto& item : outcome.diagnostics.items()) {
    if (item.severity == Severity::error) errors.push_back(&item);
  }
  const auto* also = one.find("also");  // codes of further mistakes that the replacement makes on purpose
  REQUIRE(errors.size() == 1 + (also == nullptr ? 0 : also->size()));
  for (const auto* error : errors) {
    if (error->code != one.find("code")->as_string()) continue;
    check_diagnostic(outcome, *error, one);
    return;
  }
  FAIL("no error with the code ", one.find("code")->as_string());
}

void run_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  Diagnostics found;
  const auto json = parse_json(text.str(), path.string(), found);
  REQUIRE_MESSAGE(json, render(found, {{path.string(), text.str()}}));
  REQUIRE(json->find("about") != nullptr);
  const auto pick = [&](const Json& one, const char* key) -> const Json& {
    const auto* own = one.find(key);
    if (own == nullptr) own = json->find(key);
    REQUIRE_MESSAGE(own != nullptr, "no " << key);
    return *own;
  };
  if (const auto* expect = json->find("expect"))
    check_expect(run(text_of(pick(*json, "spec")), pick(*json, "model")), *expect);
  const auto* cases = json->find("cases");
  if (cases == nullptr) return;
  for (const auto& one : cases->items()) {
    INFO("case ", one.find("about")->as_string());
    const auto spec = text_of(pick(one, "spec"));
    if (one.find("replace") != nullptr) {
      check_mistake(spec, pick(one, "model"), one);
    } else {
      check_expect(run(spec, pick(one, "model")), *one.find("expect"));
    }
  }
}

}  // namespace

TEST_CASE("plans: every data file holds") {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(SWITCHYARD_SOURCE_DIR "/tests/plans")) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() >= 5);
  for (const auto& path : files) {
    INFO("file ", path.filename().string());
    run_file(path);
  }
}
