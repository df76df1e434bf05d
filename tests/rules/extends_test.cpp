#include "rules/extends.h"

#include <doctest/doctest.h>

#include "rules/planner.h"
#include "rules/presets.h"
#include "rules/spec_files.h"
#include "tests/support/scratch.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

using Files = std::map<std::string, std::string>;

struct Outcome {
  std::optional<Spec> spec;
  Diagnostics diagnostics;
  Sources sources;
};

Outcome parse(const Files& files, const std::string& name, const Registry& registry = test::registry()) {
  Outcome out;
  out.sources[name] = files.at(name);
  const SpecFiles access{[&](const std::string& path) -> std::optional<std::string> {
                           const auto found = files.find(path);
                           return found == files.end() ? std::nullopt : std::optional(found->second);
                         },
                         &out.sources};
  out.spec = parse_spec(files.at(name), name, registry, out.diagnostics, access);
  return out;
}

std::string hashes(const Outcome& outcome, const ParameterTable& table) {
  REQUIRE_MESSAGE(outcome.spec, render(outcome.diagnostics, outcome.sources));
  Diagnostics diagnostics;
  const auto plan = make_plan(*outcome.spec, table, test::registry(), diagnostics);
  REQUIRE_MESSAGE(plan, render(diagnostics, outcome.sources));
  return plan->state_hash + plan->plan_hash;
}

const std::string base = R"({"switchyard": 1,
  "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02}, "rest": {"plugin": "adamw", "lr": 0.001}},
  "rules": [{"id": "tables", "match": {"module": "Embedding"}, "use": "rest"},
            {"id": "m", "match": {"ndim": 2}, "use": "hidden"}],
  "fallback": "rest"})";

}  // namespace

TEST_CASE("extends: paths are relative to the file that names them, and inlining changes no hash") {
  const Files files = {
      {"specs/run.json",
       R"({"switchyard": 1, "extends": "../shared/gpt.json", "optimizers": {"hidden": {"lr": 0.05}}})"},
      {"shared/gpt.json", R"({"switchyard": 1, "extends": ["base.json"], "name": "gpt"})"},
      {"shared/base.json", base}};
  const auto outcome = parse(files, "specs/run.json");
  auto inlined = base;
  inlined.replace(inlined.find("0.02"), 4, "0.05");
  const auto table = test::table(test::gpt2());
  CHECK(hashes(outcome, table) == hashes(parse({{"a.json", inlined}}, "a.json"), table));
  CHECK(hashes(outcome, table) != hashes(parse({{"a.json", base}}, "a.json"), table));
  CHECK(outcome.diagnostics.empty());
  CHECK(outcome.spec->name == "gpt");
  CHECK(outcome.sources.count("shared/base.json") == 1);
  CHECK(outcome.spec->rules[0].place.span.file == "shared/base.json");
  CHECK(outcome.spec->rules[0].place.pointer == "/rules/0/id");
}

TEST_CASE("extends: a later base goes over an earlier one, its rules before") {
  const Files files = {
      {"a.json",
       R"({"switchyard": 1, "extends": ["base.json", "over.json"], "rules": [{"id": "own", "match": {"ndim": 1}, "use": "rest"}]})"},
      {"base.json", base},
      {"over.json", R"({"switchyard": 1, "rules": [{"id": "new", "match": {"ndim": 3}, "use": "freeze"},
                                                   {"id": "m", "match": {"ndim": 2}, "use": "rest"}]})"}};
  const auto outcome = parse(files, "a.json");
  REQUIRE_MESSAGE(outcome.spec, render(outcome.diagnostics, outcome.sources));
  std::string order;
  for (const auto& rule : outcome.spec->rules) order += rule.id + ":" + rule.use + " ";
  CHECK(order == "own:rest new:freeze tables:rest m:rest ");
  CHECK(outcome.spec->rules[1].place.pointer == "/rules/0/id");
  CHECK(outcome.spec->rules[3].place.pointer == "/rules/1/id");
}

// Covers J56.
TEST_CASE("extends: what is missing, broken or circular is reported where it is named") {
  const auto one = [](const Files& files, const std::string& code, const std::string& file,
                      const std::string& pointer) {
    const auto outcome = parse(files, "a.json");
    INFO(render(outcome.diagnostics, outcome.sources));
    CHECK_FALSE(outcome.spec);
    REQUIRE(outcome.diagnostics.items().size() == 1);
    const auto& item = outcome.diagnostics.items()[0];
    CHECK(item.code == code);
    CHECK(item.place.span.file == file);
    CHECK(item.place.pointer == pointer);
  };
  const auto extends = [](const std::string& what) { return R"({"switchyard": 1, "extends": [")" + what + "\"]}"; };
  one({{"a.json", extends("b.json")}}, "SWY-1160", "a.json", "/extends/0");
  one({{"a.json", extends("b.json")}, {"b.json", extends("c.json")}}, "SWY-1160", "b.json", "/extends/0");
  one({{"a.json", extends("a.json")}}, "SWY-1161", "a.json", "/extends/0");
  one({{"a.json", extends("./x/../b.json")}, {"b.json", extends("a.json")}}, "SWY-1161", "b.json", "/extends/0");
  one({{"a.json", extends("b.json")}, {"b.json", "{"}}, "SWY-1001", "b.json", "");
  one({{"a.json", extends("b.json")}, {"b.json", "[]"}}, "SWY-1010", "b.json", "");
  one({{"a.json", extends("b.json")}, {"b.json", R"({"switchyard": 2})"}}, "SWY-1014", "b.json", "/switchyard");
  auto broken = base;
  broken.replace(broken.find("\"ndim\""), 6, "\"ndin\"");
  one({{"a.json", extends("b.json")}, {"b.json", broken}}, "SWY-1011", "b.json", "/rules/1/match/ndin");
  broken = base;
  broken.replace(broken.find("0.02"), 4, "-0.02");
  one({{"a.json", extends("b.json")}, {"b.json", broken}}, "SWY-1013", "b.json", "/optimizers/hidden/lr");
  Files deep;
  for (int i = 0; i < 30; ++i) deep["f" + std::to_string(i)] = extends("f" + std::to_string(i + 1));
  deep["f30"] = base;
  deep["a.json"] = extends("f0");
  one(deep, "SWY-1161", "f15", "/extends/0");
}

TEST_CASE("extends: many references to one file are read once too often at most, not for ever") {
  Files files = {{"leaf", base}};
  for (int i = 0; i < 12; ++i) {
    const auto next = i == 11 ? std::string("leaf") : "n" + std::to_string(i + 1);
    files["n" + std::to_string(i)] = R"({"switchyard": 1, "extends": [")" + next + "\", \"" + next + "\"]}";
  }
  const auto outcome = parse(files, "n0");
  CHECK_FALSE(outcome.spec);
  for (const auto& item : outcome.diagnostics.items()) CHECK(item.code == "SWY-1161");
  CHECK(outcome.diagnostics.items().size() >= 1);
}

TEST_CASE("extends: what a plugin suggests comes in like a file, and only when it is named") {
  const auto silent = test::registry();
  Registry registry;
  for (auto descriptor : silent.optimizers()) {
    if (descriptor.name == "muon") {
      descriptor.defaults = R"({"switchyard": 1, "optimizers": {"muon": {"plugin": "muon", "lr": 0.02}},
        "rules": [{"id": "m", "match": {"ndim": 2}, "use": "muon"},
                  {"id": "theirs", "match": {"ndim": 7}, "use": "muon", "optional": true}]})";
    }
    registry.add(std::move(descriptor));
  }
  const std::string spec = R"({"switchyard": 1, "extends": ["plugin:muon/defaults"], "fallback": "freeze",
    "rules": [{"id": "mine", "match": {"ndim": 8}, "use": "muon", "optional": true}]})";
  const auto outcome = parse({{"a.json", spec}}, "a.json", registry);
  REQUIRE_MESSAGE(outcome.spec, render(outcome.diagnostics, outcome.sources));
  REQUIRE(outcome.spec->rules.size() == 3);
  CHECK(outcome.spec->rules[1].place.span.file == "plugin:muon/defaults");
  CHECK(outcome.spec->rules[1].place.pointer == "/rules/0/id");
  CHECK(outcome.sources.count("plugin:muon/defaults") == 1);
  const auto table = test::table(test::gpt2(1));
  // Optional rules of a plugin are there to match or not; one's own are noted.
  Diagnostics notes;
  REQUIRE(make_plan(*outcome.spec, table, registry, notes));
  REQUIRE(notes.items().size() == 1);
  CHECK(notes.items()[0].code == "SWY-2006");
  CHECK(notes.items()[0].message.find("`mine`") != std::string::npos);
  // A spec that does not name it has the same hashes with a plugin that suggests and with one that does not.
  const auto hashes_with = [&](const Registry& plugins) {
    Diagnostics diagnostics;
    const auto plain = parse({{"a.json", base}}, "a.json", plugins);
    const auto plan = make_plan(*plain.spec, table, plugins, diagnostics);
    return plan->state_hash + plan->plan_hash;
  };
  CHECK(hashes_with(registry) == hashes_with(silent));
}

TEST_CASE("extends: a reference to a plugin that leads nowhere, or to something broken, is one error") {
  auto registry = test::registry();
  const auto add = [&](const std::string& name, const std::string& defaults) {
    OptimizerDescriptor descriptor;
    descriptor.name = name;
    descriptor.defaults = defaults;
    registry.add(std::move(descriptor));
  };
  add("good", R"({"switchyard": 1})");
  add("circle", R"({"switchyard": 1, "extends": "plugin:circle/defaults"})");
  add("newer", R"({"switchyard": 2})");
  add("broken", R"({"switchyard": 1,
  "rules": [{"id": "m", "match": {"ndin": 2}, "use": "o"}]})");
  const auto one = [&](const std::string& reference, const std::string& code, const std::string& file,
                       const std::string& pointer, const std::string& says) {
    const auto text = R"({"switchyard": 1, "optimizers": {"o": {"plugin": "good", "lr": 1}}, "fallback": "o",
      "extends": [")" +
                      reference + "\"]}";
    const auto outcome = parse({{"a.json", text}}, "a.json", registry);
    const auto page = render(outcome.diagnostics, outcome.sources);
    INFO(page);
    CHECK_FALSE(outcome.spec);
    REQUIRE(outcome.diagnostics.items().size() == 1);
    const auto& item = outcome.diagnostics.items()[0];
    CHECK(item.code == code);
    CHECK(item.place.span.file == file);
    CHECK(item.place.pointer == pointer);
    CHECK(page.find(says) != std::string::npos);
  };
  one("plugin:goood/defaults", "SWY-1017", "a.json", "/extends/0", "did you mean `plugin:good/defaults`?");
  one("plugin:/defaults", "SWY-1017", "a.json", "/extends/0",
      "plugins that suggest rules: broken, circle, good, newer");
  one("plugin:muon/defaults", "SWY-1162", "a.json", "/extends/0", "plugins that suggest rules: broken, circle, good");
  one("plugin:good", "SWY-1160", "a.json", "/extends/0", "write \"plugin:good/defaults\"");
  one("plugin:good/default", "SWY-1160", "a.json", "/extends/0", "write \"plugin:good/defaults\"");
  one("plugin:circle/defaults", "SWY-1161", "plugin:circle/defaults", "/extends", "circle");
  one("plugin:newer/defaults", "SWY-1014", "plugin:newer/defaults", "/switchyard", "must be 1");
  one("plugin:broken/defaults", "SWY-1011", "plugin:broken/defaults", "/rules/0/match/ndin",
      "plugin:broken/defaults:2:");
}

TEST_CASE("presets: every one is a whole spec of this build") {
  CHECK(presets().size() >= 7);
  std::string last;
  for (const auto& preset : presets()) {
    const auto& name = preset.first;
    INFO(name);
    CHECK(last < name);
    last = name;
    const auto outcome = parse({{"p.json", std::string(preset.second)}}, "p.json");
    CHECK_MESSAGE(outcome.spec, render(outcome.diagnostics, outcome.sources));
    CHECK(outcome.diagnostics.empty());
    REQUIRE(find_preset(name));
    CHECK(outcome.spec->name == name);
    for (const auto& rule : outcome.spec->rules) {
      CHECK_FALSE(rule.note.empty());
      CHECK(rule.optional);
    }
  }
  CHECK_FALSE(find_preset("nope"));
}

TEST_CASE("extends: files are read from the disk, relative to the spec's own path") {
  const testing::Scratch folder;
  testing::write_file(folder.path("base.json"), base);
  const std::string text = R"({"switchyard": 1, "extends": "base.json"})";
  const auto file = folder.path("run.json");
  Sources sources = {{file, text}};
  Diagnostics diagnostics;
  const auto spec = parse_spec(text, file, test::registry(), diagnostics, spec_files(sources));
  REQUIRE_MESSAGE(spec, render(diagnostics, sources));
  CHECK(spec->rules.size() == 2);
  CHECK(sources.at(folder.path("base.json")) == base);
  const auto missing = parse_spec(R"({"switchyard": 1, "extends": "bass.json"})", file, test::registry(), diagnostics,
                                  spec_files(sources));
  CHECK_FALSE(missing);
  CHECK(diagnostics.items().back().code == "SWY-1160");
  const auto folder_itself =
      parse_spec(R"({"switchyard": 1, "extends": "."})", file, test::registry(), diagnostics, spec_files(sources));
  CHECK_FALSE(folder_itself);
}
