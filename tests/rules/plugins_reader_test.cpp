#include <doctest/doctest.h>

#include "rules/planner.h"
#include "rules/plugins_json.h"
#include "rules/spec.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

std::string document(const std::string& plugins) {
  return R"({"switchyard_plugins": 1, "plugins": [)" + plugins + "]}";
}

std::string option(const std::string& text) { return R"({"name": "a", "options": [)" + text + "]}"; }

struct Mistake {
  std::string text;
  const char* code;
  const char* at;
  const char* says;
};

}  // namespace

TEST_CASE("plugins reader: one mistake is one error at its place, and nothing is added") {
  const std::vector<Mistake> mistakes = {
      {"{}", "SWY-1012", "{", "switchyard_plugins"},
      {"[]", "SWY-1010", "[", "object"},
      {"{", "SWY-1001", "", ""},
      {R"({"switchyard_plugins": 2, "plugins": []})", "SWY-1014", "2", "must be 1"},
      {R"({"switchyard_plugins": 1, "plugin": []})", "SWY-1011", "\"plugin\"", "did you mean `plugins`?"},
      {document("3"), "SWY-1010", "3", "object"},
      {document(R"({"nam": "a"})"), "SWY-1011", "\"nam\"", "did you mean `name`?"},
      {document("{}"), "SWY-1012", "{}", "`name`"},
      {document(R"({"name": "A b"})"), "SWY-3301", "\"A b\"", "a-z, 0-9 and _"},
      {document(R"({"name": "muon"})"), "SWY-3300", "\"muon\"", "another name"},
      {document(R"({"name": "a"}, {"name": "a"})"), "SWY-3300", "\"a\"}]", "twice in this file"},
      {document(R"({"name": "a", "traits": {"unit": "metrix"}})"), "SWY-1013", "\"metrix\"", "did you mean `matrix`?"},
      {document(R"({"name": "a", "traits": {"master": 1}})"), "SWY-1010", "1}", "true or false"},
      {document(R"({"name": "a", "slots": [{"name": "m", "shape": "like"}]})"), "SWY-1013", "\"like\"", "like_param"},
      {document(R"({"name": "a", "slots": [{"name": "m", "when": "x"}]})"), "SWY-3301", "\"a\"", "depends on `x`"},
      {document(R"({"name": "a", "slots": [{"name": "m"}, {"name": "m"}]})"), "SWY-3301", "\"a\"", "two slots"},
      {document(R"({"name": "a", "state_version": -1})"), "SWY-1013", "-1", ">= 0"},
      {document(R"({"name": "a", "defaults": []})"), "SWY-1010", "[]}", "an object"},
      {document(option(R"({"name": "x", "type": "number"})")), "SWY-1012", "{\"name\": \"x\"", "`default`"},
      {document(option(R"({"name": "x", "default": 1})")), "SWY-1012", "{\"name\": \"x\"", "`type`"},
      {document(option(R"({"name": "x", "type": "real", "default": 1})")), "SWY-1013", "\"real\"", "number"},
      {document(option(R"({"name": "x", "type": "number", "at_least": 0, "default": -1})")), "SWY-1102", "-1", ">= 0"},
      {document(option(R"({"name": "x", "type": "number", "default": "1"})")), "SWY-1102", "\"1\"", "a number"},
      {document(option(R"({"name": "x", "type": "choice", "default": "b", "choices": [{"name": "c"}]})")), "SWY-1102",
       "\"b\"", "one of c"},
      {document(option(R"({"name": "x", "type": "number", "at_least": 0, "above": 0, "default": 1})")), "SWY-1018",
       "\"at_least\"", "exclude"},
      {document(option(R"({"name": "x", "type": "number", "at_least": 2, "at_most": 1, "default": 1})")), "SWY-1102",
       "1}", "2"},
      {document(option(R"({"name": "lr", "type": "number", "default": 1})")), "SWY-3301", "\"a\"", "`lr`"},
      {document(
           option(R"({"name": "x", "type": "number", "default": 1}, {"name": "x", "type": "number", "default": 1})")),
       "SWY-3301", "\"a\"", "two options"},
      {document(option(R"({"name": "x", "type": "boolean", "default": true, "schedulable": true})")), "SWY-3301",
       "\"a\"", "no schedule"},
      {document(option(
           R"({"name": "x", "type": "choice", "default": "b", "choices": [{"name": "b"}], "role": "shape_scale"})")),
       "SWY-3301", "\"a\"", "spectral"},
      {document(option(R"({"name": "x", "type": "number", "default": 0, "role": "weight_decay"})")), "SWY-3301",
       "\"a\"", "weight decay"},
  };
  for (const auto& [text, code, at, says] : mistakes) {
    auto registry = test::registry();
    Diagnostics diagnostics;
    CHECK_FALSE(load_plugins(text, "p.json", registry, diagnostics));
    const auto page = render(diagnostics, {{"p.json", text}});
    CAPTURE(page);
    REQUIRE(diagnostics.items().size() == 1);
    const auto& item = diagnostics.items()[0];
    CHECK(item.code == code);
    CHECK(item.place.span.file == "p.json");
    CHECK(text.substr(item.place.span.offset).rfind(at, 0) == 0);
    CHECK(page.find(says) != std::string::npos);
    CHECK(registry.names() == test::registry().names());
  }
}

TEST_CASE("plugins reader: a value of another kind in any place is read or refused, never worse") {
  const auto good = dump_json(plugins_json(test::registry()));
  Diagnostics none;
  const auto json = parse_json(good, "p.json", none);
  REQUIRE(json);
  std::vector<Span> places;
  const auto walk = [&](const auto& self, const Json& value) -> void {
    places.push_back(value.span());
    for (const auto& item : value.items()) self(self, item);
    for (const auto& member : value.members()) self(self, member.value);
  };
  walk(walk, *json);
  std::size_t refused = 0;
  std::size_t cases = 0;
  for (const auto& place : places) {
    for (const char* other : {"null", "-7", "1e308", "\"x\"", "\"\"", "[]", "{}", "true"}) {
      auto text = good;
      text.replace(place.offset, place.length, other);
      Registry registry;
      Diagnostics diagnostics;
      const bool loaded = load_plugins(text, "p.json", registry, diagnostics);
      CHECK(loaded != diagnostics.has_errors());
      ++cases;
      refused += loaded ? 0 : 1;
      if (!loaded) continue;
      CHECK_NOTHROW(dump_json(plugins_json(registry)));
      for (const auto& descriptor : registry.optimizers()) CHECK(problems_of(descriptor).empty());
    }
  }
  CHECK(refused > cases / 2);
}

TEST_CASE("plugins reader: everything wrong with a file is said at once") {
  const auto text = document(R"({"name": "a", "docs": "", "slots": [{"shape": 1}]}, {"name": "b", "version": 2})");
  auto registry = test::registry();
  Diagnostics diagnostics;
  CHECK_FALSE(load_plugins(text, "p.json", registry, diagnostics));
  CHECK(diagnostics.count(Severity::error) == 4);
}

TEST_CASE("plugins reader: a description that the registry has is no conflict") {
  auto registry = test::registry();
  const auto all = dump_json(plugins_json(registry), 1);
  Diagnostics diagnostics;
  CHECK(load_plugins(all, "p.json", registry, diagnostics));
  CHECK(registry.find("muon")->loaded_from.empty());  // the one of the build stays
  CHECK(dump_json(plugins_json(registry), 1) == all);
}

TEST_CASE("plugins reader: a loaded plugin plans, and a listing that holds it can be loaded again") {
  const auto text = document(R"({"name": "soap", "version": "2.0", "traits": {"unit": "matrix"},
    "slots": [{"name": "left", "shape": "out_by_out"}], "defaults": {"switchyard": 1, "fallback": "freeze"},
    "options": [{"name": "momentum", "type": "number", "default": 0.9, "at_least": 0, "below": 1}]})");
  auto registry = test::registry();
  Diagnostics diagnostics;
  REQUIRE(load_plugins(text, "p.json", registry, diagnostics));
  CHECK(registry.find("soap")->loaded_from == "p.json");
  const std::string spec_text = R"({"switchyard": 1, "extends": "plugin:soap/defaults",
    "optimizers": {"o": {"plugin": "soap", "lr": 1, "options": {"momentum": 0.5}}},
    "rules": [{"id": "all", "match": {"ndim": 2}, "use": "o"}]})";
  const auto spec = parse_spec(spec_text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", spec_text}}));
  const auto plan = make_plan(*spec, test::table(test::gpt2(1)), registry, diagnostics);
  REQUIRE_MESSAGE(plan, render(diagnostics, {{"s.json", spec_text}}));
  CHECK(plan->find("transformer.wpe.weight")->plugin == "soap");
  CHECK(plan->find("transformer.ln_f.weight")->frozen());  // by the fallback that the plugin suggests
  auto again = test::registry();
  REQUIRE(load_plugins(dump_json(plugins_json(registry)), "q.json", again, diagnostics));
  CHECK(again.find("soap")->loaded_from == "q.json");
  CHECK(again.find("soap")->version == "2.0");
}
