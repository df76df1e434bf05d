#include "rules/plan_diff.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "rules/lock.h"
#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;
using Level = PlanDifference::Level;

namespace {

const std::string spec_text = R"({
  "switchyard": 1,
  "schedules": {"main": {"kind": "cosine", "warmup": 10, "total": 100}},
  "optimizers": {
    "hidden": {"plugin": "muon", "lr": 0.02, "options": {"momentum": 0.9}, "schedules": {"lr": "main"}},
    "rest": {"plugin": "adamw", "lr": 0.001}},
  "rules": [
    {"id": "qkv", "match": {"name": "**.c_attn.weight"}, "use": "hidden", "matrix": {"split": {"axis": 1, "parts": 3}}},
    {"id": "hidden", "match": {"name": "transformer.h.**", "ndim": 2}, "use": "hidden"},
    {"id": "all", "match": {"name": "**"}, "use": "rest"}],
  "overrides": [{"id": "out", "match": {"name": "**.c_proj.weight"}, "set": {"lr_scale": 0.7}}],
  "fallback": "error"
})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

Plan planned(const std::string& text, std::vector<ParameterInfo> entries) {
  const auto registry = test::registry();
  Diagnostics diagnostics;
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
  auto plan = make_plan(*spec, test::table(std::move(entries)), registry, diagnostics);
  REQUIRE_MESSAGE(plan, render(diagnostics, {{"s.json", text}}));
  return std::move(*plan);
}

PlanDocument written(const Plan& plan, bool lock = true) {
  Diagnostics diagnostics;
  const auto text = lock ? lock_text(plan, test::registry()) : dump_json(to_json(plan, {}), 2);
  auto document = read_plan_document(text, "a.lock", diagnostics);
  REQUIRE_MESSAGE(document, render(diagnostics, {{"a.lock", text}}));
  return std::move(*document);
}

std::vector<ParameterInfo> model() { return test::gpt2(2, 64); }

/// The differences from the spec above on its model.
PlanDiff against(const std::string& text, std::vector<ParameterInfo> entries = model(), bool lock = true) {
  return compare_plans(written(planned(spec_text, model()), lock), written(planned(text, std::move(entries)), lock));
}

const PlanDifference* find(const PlanDiff& diff, const std::string& kind, const std::string& what = "") {
  for (const auto& difference : diff.differences) {
    if (difference.kind == kind && difference.what == what) return &difference;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("diff: a plan is the same as itself, whatever the order of its parameters") {
  auto entries = model();
  std::reverse(entries.begin(), entries.end());
  const auto diff = against(spec_text, entries);
  CHECK(diff.same());
  CHECK(diff.same_state());
  CHECK(diff.differences.empty());
  CHECK(diff.unchanged == static_cast<std::int64_t>(entries.size()));
  CHECK(plan_diff_text(diff).find("the plans are the same\n") != std::string::npos);
}

TEST_CASE("diff: one option of many parameters is one difference with old and new value") {
  const auto diff = against(replaced(spec_text, "\"momentum\": 0.9", "\"momentum\": 0.8"));
  CHECK_FALSE(diff.same());
  CHECK(diff.same_state());
  REQUIRE(diff.differences.size() == 1);
  const auto& option = diff.differences[0];
  CHECK(option.kind == "option");
  CHECK(option.what == "momentum");
  CHECK(option.before == "0.9");
  CHECK(option.after == "0.8");
  CHECK(option.level == Level::values);
  CHECK(option.parameters.size() == 8);
  const auto text = plan_diff_text(diff);
  CHECK(text.find("8 tensors  0.9 -> 0.8  transformer.h.*.attn.c_attn.weight, ") != std::string::npos);
  CHECK(text.find("a checkpoint of one loads under the other") != std::string::npos);
}

TEST_CASE("diff: each kind of change is found under its name, and only what moves state is marked so") {
  struct Case {
    const char* from;
    const char* to;
    const char* kind;
    const char* what;
    Level level;
  };
  for (const auto& one : std::vector<Case>{
           {"\"lr\": 0.02", "\"lr\": 0.03", "factor", "base", Level::values},
           {"\"lr_scale\": 0.7", "\"lr_scale\": 0.6", "factor", "overrides", Level::values},
           {"\"use\": \"hidden\", \"matrix\"", "\"use\": \"hidden\", \"set\": {\"lr_scale\": 2}, \"matrix\"", "factor",
            "rule", Level::values},
           {"\"warmup\": 10", "\"warmup\": 20", "schedule", "lr", Level::values},
           {", \"matrix\": {\"split\": {\"axis\": 1, \"parts\": 3}}", "", "blocks", "", Level::state},
           {"\"axis\": 1, \"parts\": 3", "\"axis\": 1, \"parts\": 3, \"interleave\": 2", "blocks", "", Level::state},
           {"\"ndim\": 2}, \"use\": \"hidden\"", "\"ndim\": 2}, \"use\": \"rest\"", "plugin", "", Level::state},
           {"\"ndim\": 2}, \"use\": \"hidden\"", "\"ndim\": 2}, \"use\": \"freeze\"", "plugin", "", Level::state},
           {"\"plugin\": \"adamw\", \"lr\": 0.001",
            "\"plugin\": \"adamw\", \"lr\": 0.001, \"options\": {\"amsgrad\": true}", "option", "amsgrad",
            Level::values},
           {"\"plugin\": \"adamw\", \"lr\": 0.001",
            "\"plugin\": \"adamw\", \"lr\": 0.001, \"options\": {\"amsgrad\": true}", "slots", "", Level::state},
           // Square matrices with their roles swapped: the same shapes, other rows.
           {"\"ndim\": 2}, \"use\": \"hidden\"", "\"ndim\": 2}, \"use\": \"hidden\", \"matrix\": {\"transpose\": true}",
            "slots", "", Level::state},
           {"\"id\": \"qkv\"", "\"id\": \"fused\"", "rule", "", Level::label},
           {"\"fallback\": \"error\"", "\"fallback\": \"error\", \"gradients\": {\"clip\": {\"norm\": 1}}", "gradients",
            "clip_norm", Level::values}}) {
    CAPTURE(one.to);
    const auto diff = against(replaced(spec_text, one.from, one.to));
    const auto* found = find(diff, one.kind, one.what);
    REQUIRE(found != nullptr);
    CHECK(found->level == one.level);
    CHECK(found->before != found->after);
    CHECK(diff.same() == (one.level == Level::label));
    CHECK((diff.count(Level::state) > 0) == (diff.state_hash_a != diff.state_hash_b));
    const auto text = plan_diff_text(diff);
    CHECK((text.find("(state)") != std::string::npos) == (diff.count(Level::state) > 0));
  }
}

TEST_CASE("diff: ids are labels, so renaming an optimizer leaves the plans the same") {
  auto text = spec_text;
  for (auto at = text.find("\"rest\""); at != std::string::npos; at = text.find("\"rest\"", at + 1))
    text.replace(at, 6, "\"tail\"");
  const auto diff = against(text);
  CHECK(diff.same());
  const auto* optimizer = find(diff, "optimizer");
  REQUIRE(optimizer != nullptr);
  CHECK(optimizer->before == "rest");
  CHECK(optimizer->after == "tail");
}

TEST_CASE("diff: parameters that come, go or change shape or dtype are state") {
  auto entries = model();
  entries.erase(entries.begin() + 1);
  entries.push_back(test::parameter("extra.weight", {4}));
  entries[2].shape = {65};
  entries[3].dtype = Dtype::bfloat16;
  entries[3].dtype_name = "bfloat16";
  const auto diff = against(spec_text, entries);
  for (const char* kind : {"added", "removed", "shape", "dtype"}) {
    CAPTURE(kind);
    const auto* found = find(diff, kind);
    REQUIRE(found != nullptr);
    CHECK(found->level == Level::state);
    CHECK(found->parameters.size() == 1);
  }
  CHECK(find(diff, "added")->after == "rest (adamw)");
  CHECK(find(diff, "removed")->parameters[0] == "transformer.wpe.weight");
  CHECK(find(diff, "shape")->before == "[64]");
  CHECK(find(diff, "shape")->after == "[65]");
  CHECK(diff.unchanged == static_cast<std::int64_t>(entries.size()) - 3);
}

TEST_CASE("diff: a frozen parameter that comes or goes changes no hash and is a label") {
  auto entries = model();
  entries.push_back(test::parameter("frozen.weight", {4}, "", false));
  const auto diff = against(spec_text, entries);
  CHECK(diff.same());
  REQUIRE(find(diff, "added") != nullptr);
  CHECK(find(diff, "added")->level == Level::label);
}

TEST_CASE("diff: a tied tensor is found under any of its names") {
  auto entries = model();
  std::reverse(entries[0].names.begin(), entries[0].names.end());
  CHECK(against(spec_text, entries).differences.empty());
  entries = model();
  entries[0].names = {"transformer.wte.weight"};
  const auto diff = against(spec_text, entries);
  CHECK(find(diff, "added") == nullptr);
  CHECK(find(diff, "removed") == nullptr);
  REQUIRE(find(diff, "names") != nullptr);
  // lm_head.weight was the smallest name, which hashes are keyed by; a checkpoint loads all the same.
  CHECK_FALSE(diff.same());
  CHECK(diff.count(Level::state) == 0);
}

TEST_CASE("diff: hashes that differ beyond what the documents hold are not passed over") {
  const auto swapped = replaced(spec_text, "\"ndim\": 2}, \"use\": \"hidden\"",
                                "\"ndim\": 2}, \"use\": \"hidden\", \"matrix\": {\"transpose\": true}");
  std::vector<ParameterInfo> square;
  for (const char* name : {"transformer.h.0.a", "transformer.h.1.a"})
    square.push_back(test::parameter(name, {8, 8}, "Linear"));
  square.push_back(test::parameter("x.c_attn.weight", {6, 6}, "Linear"));
  square.push_back(test::parameter("y.c_proj.weight", {6}, "Linear"));
  const auto diff = compare_plans(written(planned(spec_text, square), false), written(planned(swapped, square), false));
  REQUIRE(diff.differences.size() == 1);
  CHECK(diff.differences[0].level == Level::state);
  CHECK(diff.differences[0].parameters.empty());
  CHECK_FALSE(diff.same());
  // With locks the parameters are named.
  const auto named = compare_plans(written(planned(spec_text, square)), written(planned(swapped, square)));
  REQUIRE(named.differences.size() == 1);
  CHECK(named.differences[0].parameters.size() == 2);
  const auto clipped =
      replaced(spec_text, "\"fallback\": \"error\"", "\"fallback\": \"error\", \"gradients\": {\"accumulation\": 2}");
  const auto values = against(clipped, model(), false);
  CHECK(values.same_state());
  CHECK_FALSE(values.same());
}

TEST_CASE("diff: the document holds every name, the text a few") {
  const auto diff = against(replaced(spec_text, "\"lr\": 0.001", "\"lr\": 0.002"));
  const auto json = plan_diff_json(diff);
  REQUIRE(json.find("differences")->size() == 1);
  const auto& names = *json.find("differences")->items()[0].find("parameters");
  CHECK(names.size() == model().size() - 8);
  CHECK(json.find("same")->as_bool() == false);
  CHECK(json.find("same_state")->as_bool() == true);
  CHECK(plan_diff_text(diff).find("... and ") != std::string::npos);
}

TEST_CASE("diff: names that differ in numbers are folded, others are listed up to the limit") {
  CHECK(folded_names({"h.0.w", "h.1.w", "h.2.w"}) == "h.*.w");
  CHECK(folded_names({"h.0.w"}) == "h.0.w");
  CHECK(folded_names({"a", "b", "c", "d", "h.0.w", "a1"}) == "a, b, c, ... and 3 more");
  CHECK(folded_names({"a\x1b[2J"}) == "a\\x1b[2J");
  CHECK(folded_names({}).empty());
}
