#include <doctest/doctest.h>

#include "rules/planner.h"
#include "rules/trace.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

const std::string text = R"({
  "switchyard": 1,
  "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02}, "rest": {"plugin": "adamw", "lr": 0.001}},
  "rules": [
    {"id": "table", "match": {"name": "transformer.w*.weight"}, "use": "rest"},
    {"id": "off", "match": {"ndim": 2}, "use": "rest", "disabled": true},
    {"id": "qkv", "match": {"name": "**.c_attn.weight"}, "except": {"shape": [64, "*"]}, "use": "hidden", "optional": true},
    {"id": "hidden", "match": {"name": "transformer.h.**", "ndim": 2}, "use": "hidden"},
    {"id": "vectors", "match": {"ndim": "<=1"}, "use": "rest"},
    {"id": "all", "match": {"name": "**"}, "use": "rest"}],
  "overrides": [
    {"id": "out", "match": {"name": "**.c_proj.*"}, "set": {"lr_scale": 0.7}},
    {"id": "attn", "match": {"name": "**.attn.*.weight"}, "set": {"wd_scale": 2, "lr_scale": 0.5}}],
  "fallback": "error"
})";

}  // namespace

TEST_CASE("trace: every rule is judged, and says why") {
  Diagnostics diagnostics;
  const auto registry = test::registry();
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
  const auto table = test::table(test::gpt2(2, 64));
  const auto trace = trace_parameter(*spec, table, registry, "transformer.h.1.attn.c_attn.weight");
  REQUIRE(trace);
  REQUIRE(trace->rules.size() == 6);
  const std::vector<std::pair<Verdict, std::string>> want = {
      {Verdict::no, "name: no pattern matches"},       {Verdict::disabled, "ndim 2"},
      {Verdict::no, "except: shape [64, *]"},          {Verdict::wins, "name transformer.h.**, ndim 2"},
      {Verdict::would_not_match, "ndim 2, wants <=1"}, {Verdict::would_match, "name **"}};
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(trace->rules[i].verdict == want[i].first);
    CHECK(trace->rules[i].why == want[i].second);
  }
  CHECK(trace->winner == "hidden");
  CHECK(trace->optimizer == "hidden");
  CHECK_FALSE(trace->overrides[0].matches);
  CHECK(trace->overrides[1].matches);
  CHECK(trace->overrides[1].effect == "lr_scale 0.5, wd_scale 2");
}

TEST_CASE("trace: it agrees with the plan for every parameter") {
  Diagnostics diagnostics;
  const auto registry = test::registry();
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE(spec);
  auto entries = test::gpt2(2, 64);
  entries[5].requires_grad = false;
  const auto table = test::table(entries);
  const auto plan = make_plan(*spec, table, registry, diagnostics);
  REQUIRE_MESSAGE(plan, render(diagnostics, {{"s.json", text}}));
  for (const auto& parameter : plan->parameters) {
    for (const auto& name : parameter.info.names) {
      const auto trace = trace_parameter(*spec, table, registry, name);
      REQUIRE(trace);
      CHECK(trace->winner == parameter.rule);
      CHECK(trace->optimizer == parameter.optimizer);
      CHECK(trace->reason == parameter.reason);
    }
  }
}

TEST_CASE("trace: an unknown name has no trace but similar names") {
  Diagnostics diagnostics;
  const auto registry = test::registry();
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  const auto table = test::table(test::gpt2(2, 64));
  CHECK_FALSE(trace_parameter(*spec, table, registry, "transformer.h.1.attn.c_atn.weight"));
  const auto near = similar_names(table, "transformer.h.1.attn.c_atn.weight");
  REQUIRE_FALSE(near.empty());
  CHECK(near.front() == "transformer.h.1.attn.c_attn.weight");
  CHECK(similar_names(table, std::string(100'000, 'x')).empty());
}
