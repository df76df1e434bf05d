#include "rules/lock.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "core/sha256.h"
#include "rules/codes.h"
#include "rules/plan_diff.h"
#include "rules/plan_document.h"
#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

const std::string spec_text = R"({
  "switchyard": 1,
  "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02}, "rest": {"plugin": "adamw", "lr": 0.001}},
  "rules": [
    {"id": "hidden", "match": {"name": "transformer.h.**", "ndim": 2}, "use": "hidden"},
    {"id": "all", "match": {"name": "**"}, "use": "rest"}],
  "fallback": "error"
})";

Plan planned(const std::string& text, std::vector<ParameterInfo> entries = test::gpt2(1, 64)) {
  const auto registry = test::registry();
  Diagnostics diagnostics;
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE(spec);
  auto plan = make_plan(*spec, test::table(std::move(entries)), registry, diagnostics);
  REQUIRE(plan);
  return std::move(*plan);
}

std::string lock() { return lock_text(planned(spec_text), test::registry()); }

/// The code of the first error and its place; "" if the text is good.
std::pair<std::string, LineColumn> refusal(const std::string& text) {
  Diagnostics diagnostics;
  const bool good = read_plan_document(text, "x.lock", diagnostics).has_value();
  CHECK(good == !diagnostics.has_errors());
  if (good) return {};
  const auto& item = diagnostics.items()[0];
  CHECK(item.place.span.file == "x.lock");
  CHECK(meaning_of(item.code).size() > 0);
  return {item.code, line_column(text, item.place.span.offset)};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("lock: the bytes depend on the plan alone") {
  const auto moved = "\n\n   " + spec_text;
  const auto noted = replaced(spec_text, "\"use\": \"hidden\"}", "\"use\": \"hidden\", \"note\": \"why\"}");
  CHECK(lock() == lock());
  CHECK(lock() == lock_text(planned(moved), test::registry()));
  CHECK(lock() == lock_text(planned(noted), test::registry()));
  CHECK(lock() != lock_text(planned(replaced(spec_text, "0.02", "0.03")), test::registry()));
}

TEST_CASE("lock: it is a plan document, and reads back") {
  Diagnostics diagnostics;
  const auto plan = planned(spec_text);
  const auto text = lock();
  const auto document = read_plan_document(text, "x.lock", diagnostics);
  REQUIRE_MESSAGE(document, render(diagnostics, {{"x.lock", text}}));
  CHECK(document->state_hash == plan.state_hash);
  CHECK(document->plan_hash == plan.plan_hash);
  CHECK(document->rows.size() == plan.parameters.size());
  CHECK(document->state == state_lines(plan, test::registry()));
  CHECK(document->gradients.has_value());
  CHECK(document->rows[0].names == plan.parameters[0].info.names);
  const auto json = parse_json(text, "x.lock", diagnostics);
  CHECK(dump_json(*json->find("parameters")) == dump_json(*to_json(plan, {}).find("parameters")));
}

TEST_CASE("lock: other line ends and another indentation are no edit") {
  auto text = lock();
  std::string windows;
  for (const auto c : text) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  CHECK(refusal(windows).first.empty());
  Diagnostics diagnostics;
  CHECK(refusal(dump_json(*parse_json(text, "x", diagnostics))).first.empty());
}

TEST_CASE("lock: an edited value is found, at the checksum") {
  const auto text = lock();
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"0.02", "0.03"}, {"\"muon\"", "\"lion\""}, {"\"rule\": \"hidden\"", "\"rule\": \"hiddem\""}}) {
    const auto [code, at] = refusal(replaced(text, from, to));
    CHECK(code == "SWY-3202");
    CHECK(at.line == line_column(text, text.find("sha256")).line);
  }
}

TEST_CASE("lock: any changed digit or letter is an error") {
  const auto text = lock();
  std::mt19937 random(doctest::getContextOptions()->rand_seed);
  const auto member = text.find("\"lock\"");  // under another name it is no lock, but a plan document
  for (int trial = 0; trial < 200; ++trial) {
    auto edited = text;
    std::size_t at = 0;
    do at = random() % text.size();
    while (std::isalnum(static_cast<unsigned char>(text[at])) == 0);
    edited[at] = edited[at] == 'a'                                         ? 'b'
                 : std::isdigit(static_cast<unsigned char>(text[at])) != 0 ? (text[at] == '9' ? '8' : '9')
                                                                           : 'a';
    if (edited == text || (at > member && at < member + 5)) continue;
    CAPTURE(at);
    CHECK_FALSE(refusal(edited).first.empty());
  }
}

TEST_CASE("lock: a truncated file is an error where it ends") {
  const auto text = lock();
  for (const auto length : {std::size_t{0}, std::size_t{1}, text.size() / 3, text.size() / 2, text.size() - 3}) {
    const auto [code, at] = refusal(text.substr(0, length));
    CAPTURE(length);
    CHECK(code == "SWY-1001");
    CHECK(at.line >= 1);
  }
}

TEST_CASE("lock: something else is refused for what it is") {
  struct Case {
    std::string text;
    const char* code;
  };
  const auto document = dump_json(to_json(planned(spec_text), {}), 2);
  CHECK(refusal(document).first.empty());
  const auto hash = planned(spec_text).state_hash;
  for (const auto& one : std::vector<Case>{
           {spec_text, "SWY-3200"},
           {"{}", "SWY-3200"},
           {"[1, 2]", "SWY-3200"},
           {"3", "SWY-3200"},
           {R"({"switchyard_manifest": 1, "model": "m", "parameters": []})", "SWY-3200"},
           {R"({"switchyard_plan": 2})", "SWY-1014"},
           {R"({"switchyard_plan": "1"})", "SWY-1014"},
           {R"({"switchyard_plan": 1})", "SWY-1012"},
           {dump_json(to_json(Plan{}, {})), "SWY-3203"},
           {replaced(document, hash, "abc"), "SWY-3201"},
           {replaced(document, "\"name\": \"transformer.wpe.weight\"", "\"name\": 7"), "SWY-1010"},
           {replaced(document, "\"name\": \"transformer.wpe.weight\"", "\"nam\": \"x\""), "SWY-1012"},
           {replaced(document, "\"name\": \"transformer.wpe.weight\"", "\"name\": \"lm_head.weight\""), "SWY-3201"},
           {replaced(document, "\"shape\": [", "\"shape\": [-1, "), "SWY-1013"},
           {replaced(document, "\"settings\": {", "\"settings\": 3, \"x\": {"), "SWY-1010"},
           {replaced(document, "\"blocks\": []", "\"blocks\": [1]"), "SWY-1010"}}) {
    CAPTURE(one.text.substr(0, 200));
    CHECK(refusal(one.text).first == one.code);
  }
}

TEST_CASE("lock: the plan inside the index of a checkpoint is read, and its checksum is checked") {
  const auto plan = planned(spec_text);
  auto index = Json::object();
  index.set("switchyard_checkpoint", Json::integer(1));
  index.set("index_sha256", std::string(64, '0'));
  auto state = Json::object();
  for (const auto& [key, line] : state_lines(plan, test::registry())) state.set(key, line);
  index.set("state", std::move(state));
  index.set("plan", to_json(plan, {}));
  auto text = dump_json(index, 1) + "\n";
  CHECK(refusal(text).first == "SWY-3202");
  text.replace(text.find(std::string(64, '0')), 64, sha256(text));
  Diagnostics diagnostics;
  const auto document = read_plan_document(text, "index.json", diagnostics);
  REQUIRE(document);
  CHECK(document->plan_hash == plan.plan_hash);
  CHECK(document->state.size() == plan.parameters.size());
  CHECK(refusal(replaced(text, "0.02", "0.03")).first == "SWY-3202");
  CHECK(refusal(replaced(text, "\"plan\": {", "\"plam\": {")).first == "SWY-1012");
}

TEST_CASE("lock: one from before slots had names still speaks of the same state") {
  const auto plan = planned(spec_text);
  std::map<std::string, std::string> old;
  for (auto [key, line] : state_lines(plan, test::registry())) {
    for (auto at = line.find(":like_param:work"); at != std::string::npos; at = line.find(":like_param:work"))
      line.replace(at, 16, "#0");
    old.emplace(key, line);
  }
  auto written = plan;
  written.state_hash = hash_of_state(old);
  written.plan_hash = std::string(64, '5');
  auto text = lock_text(written, test::registry());
  for (auto at = text.find(":like_param:work"); at != std::string::npos; at = text.find(":like_param:work"))
    text.replace(at, 16, "#0");
  const auto sealed = text.find("\"sha256\": \"") + 11;
  Diagnostics ignored;
  text.replace(sealed, 64, lock_checksum(*parse_json(text, "", ignored)));
  Diagnostics diagnostics;
  const auto document = read_plan_document(text, "old.lock", diagnostics);
  REQUIRE(document);
  CHECK(document->older);
  CHECK(document->state_hash == plan.state_hash);
  const auto now = read_plan_document(lock_text(plan, test::registry()), "new.lock", diagnostics);
  REQUIRE(now);
  CHECK_FALSE(now->older);
  CHECK(compare_plans(*document, *now).same_state());
  CHECK(compare_plans(*document, *now).differences.empty());
}
