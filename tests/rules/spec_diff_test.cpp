#include "rules/spec_diff.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

const std::string base = R"({"switchyard": 1,
 "schedules": {"main": {"kind": "cosine", "total": 100}},
 "optimizers": {
  "m": {"plugin": "muon", "lr": 0.02, "schedules": {"lr": "main"}},
  "a": {"plugin": "adamw", "lr": 0.001}},
 "rules": [
  {"id": "one", "match": {"name": "embed.*"}, "use": "a"},
  {"id": "two", "match": {"ndim": 2, "name": "h.**"}, "use": "m", "matrix": {"split": {"axis": 0, "parts": 3}}},
  {"id": "three", "match": {"ndim": 1}, "use": "a", "note": "x"}],
 "fallback": "error",
 "overrides": [{"id": "o", "match": {"name": "h.*.out.weight"}, "set": {"lr_scale": 0.5}}]})";

Spec parse(const std::string& text, const std::string& file) {
  Diagnostics diagnostics;
  auto spec = parse_spec(text, file, test::registry(), diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{file, text}}));
  return std::move(*spec);
}

std::string changed(const std::string& from, const std::string& to) {
  auto out = base;
  const auto at = out.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  return out.replace(at, from.size(), to);
}

std::string text_of(const std::string& other) {
  const Sources sources = {{"a.json", base}, {"b.json", other}};
  return spec_diff_text(compare_specs(parse(base, "a.json"), parse(other, "b.json")), sources);
}

}  // namespace

TEST_CASE("spec diff: a spec and itself, other notes and another order of keys are no difference") {
  CHECK(text_of(base).empty());
  CHECK(text_of(changed(", \"note\": \"x\"", "")).empty());
  CHECK(text_of(changed("\"ndim\": 2, \"name\": \"h.**\"", "\"name\": \"h.**\", \"ndim\": 2")).empty());
}

TEST_CASE("spec diff: what changed, before and after, with both places") {
  const auto check = [](const std::string& from, const std::string& to, const std::string& line) {
    const auto text = text_of(changed(from, to));
    CHECK_MESSAGE(text.find(line) != std::string::npos, text);
    CHECK_MESSAGE(std::count(text.begin(), text.end(), '\n') == 1, text);
  };
  check("\"use\": \"a\", \"note\"", "\"use\": \"freeze\", \"note\"", "~  rule three");
  check("\"ndim\": 1", "\"ndim\": \"<=1\"", "match ndim 1 -> ndim <=1");
  check("\"ndim\": 1", "\"ndim\": \"<=1\"", "a.json:9:10 -> b.json:9:10");
  check("\"parts\": 3", "\"parts\": 2", "matrix split axis 0 in 3 -> split axis 0 in 2");
  check("\"lr\": 0.02", "\"lr\": 0.03", "~  optimizer m");
  check("\"lr\": 0.02", "\"lr\": 0.03", "lr 0.02 -> 0.03");
  check("\"lr\": 0.001}", "\"lr\": 0.001, \"options\": {\"eps\": 1e-6}}", "eps 1e-08 -> 1e-06");
  check("\"total\": 100", "\"total\": 200", "~  schedule main");
  check("\"fallback\": \"error\"", "\"fallback\": \"a\"", "use error -> a");
  check("\"lr_scale\": 0.5", "\"lr_scale\": 0.25", "~  override o");
  check("\"use\": \"a\", \"note\"", "\"use\": \"a\", \"except\": {\"name\": \"x\"}, \"note\"", "except none -> name x");
  check("\"use\": \"a\", \"note\"", "\"use\": \"a\", \"disabled\": true, \"note\"", "disabled none -> yes");
}

TEST_CASE("spec diff: entries of one side only have its place") {
  const auto added = text_of(changed(
      "\"overrides\": [", "\"overrides\": [{\"id\": \"p\", \"match\": {\"ndim\": 1}, \"set\": {\"wd_scale\": 0}}, "));
  CHECK_MESSAGE(added.find("+  override p") != std::string::npos, added);
  CHECK(added.find("match ndim 1, wd_scale 0") != std::string::npos);
  CHECK(added.find("b.json:11") != std::string::npos);
  CHECK(added.find("a.json") == std::string::npos);
  const auto renamed = text_of(changed("\"id\": \"one\"", "\"id\": \"uno\""));
  CHECK_MESSAGE(renamed.find("+  rule uno") != std::string::npos, renamed);
  CHECK_MESSAGE(renamed.find("-  rule one") != std::string::npos, renamed);
}

TEST_CASE("spec diff: the fewest rules that moved are named") {
  const auto rules = [](const std::vector<int>& order) {
    std::string list;
    for (const auto i : order) {
      list += (list.empty() ? "" : ", ") + std::string(R"({"id": "r)") + std::to_string(i) +
              R"(", "match": {"ndim": )" + std::to_string(i) + R"(}, "use": "a"})";
    }
    return R"({"switchyard": 1, "optimizers": {"a": {"plugin": "adamw", "lr": 0.1}}, "fallback": "a", "rules": [)" +
           list + "]}";
  };
  const auto moved = [&](const std::vector<int>& order) {
    const auto found = compare_specs(parse(rules({0, 1, 2, 3, 4}), "a"), parse(rules(order), "b"));
    std::string out;
    for (const auto& difference : found) {
      REQUIRE(difference.aspects.size() == 1);
      CHECK(difference.aspects[0].what == "order");
      out += difference.id + " " + difference.aspects[0].before + " -> " + difference.aspects[0].after + "; ";
    }
    return out;
  };
  CHECK(moved({0, 1, 2, 3, 4}).empty());
  CHECK(moved({4, 0, 1, 2, 3}) == "r4 rule 5 of 5 -> rule 1 of 5; ");
  CHECK(moved({1, 2, 3, 4, 0}) == "r0 rule 1 of 5 -> rule 5 of 5; ");
  const unsigned seed = doctest::getContextOptions()->rand_seed;
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<int> order = {0, 1, 2, 3, 4};
    std::shuffle(order.begin(), order.end(), random);
    const auto found = compare_specs(parse(rules({0, 1, 2, 3, 4}), "a"), parse(rules(order), "b"));
    // What did not move stands in the old order.
    for (const auto& difference : found) order.erase(std::find(order.begin(), order.end(), difference.id[1] - '0'));
    CHECK(std::is_sorted(order.begin(), order.end()));
  }
}

TEST_CASE("spec diff: the document has every aspect and both places") {
  const auto other = changed("\"use\": \"a\", \"note\"", "\"use\": \"freeze\", \"note\"");
  const Sources sources = {{"a.json", base}, {"b.json", other}};
  auto json = spec_diff_json(
      compare_specs(parse(base, "a.json"), parse(changed("\"id\": \"one\"", "\"id\": \"uno\""), "b.json")), sources);
  REQUIRE(json.size() == 2);
  CHECK(json.items()[0].find("change")->as_string() == "added");
  CHECK(json.items()[0].find("a")->is(Json::Kind::null));
  CHECK(json.items()[0].find("b")->find("line")->as_int() == 7);
  CHECK(json.items()[1].find("change")->as_string() == "removed");
  json = spec_diff_json(compare_specs(parse(base, "a.json"), parse(other, "b.json")), sources);
  REQUIRE(json.size() == 1);
  CHECK(json.items()[0].find("aspects")->items()[0].find("what")->as_string() == "use");
  CHECK(json.items()[0].find("a")->find("file")->as_string() == "a.json");
}
