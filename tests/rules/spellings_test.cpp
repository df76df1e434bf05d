#include <doctest/doctest.h>

#include "rules/canonical.h"
#include "rules/planner.h"
#include "rules/trace.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

Plan plan(const std::string& text, const ParameterTable& table) {
  Diagnostics diagnostics;
  const auto registry = test::registry();
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
  auto out = make_plan(*spec, table, registry, diagnostics);
  REQUIRE_MESSAGE(out, render(diagnostics, {{"s.json", text}}));
  return std::move(*out);
}

const std::string plain = R"({"switchyard": 1,
  "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02, "options": {"momentum": 0.9}},
                 "rest": {"plugin": "adamw", "lr": 0.001, "options": {"betas": [0.9, 0.95]}}},
  "rules": [{"id": "tables", "match": {"name": "transformer.w?e.weight"}, "use": "rest"},
            {"id": "m", "match": {"ndim": 2}, "use": "hidden"}],
  "fallback": "rest",
  "overrides": [{"id": "late", "match": {"name": "transformer.h.{8,9,10,11}.**"}, "set": {"lr_scale": 0.5}}]})";

const std::string spelled = R"({"switchyard": 1, "name": "other", "description": "$lr",
  "vars": {"lr": 0.02, "momentum": 0.9, "betas": [0.9, 0.95], "axes": 2, "where": "hidden", "layers": 12},
  "canonical": {"strip": ["_orig_mod", "module"]},
  "layers": {"index": "transformer.h.{i:int}.**", "count": "$layers"},
  "optimizers": {"hidden": {"plugin": "muon", "lr": "$lr", "options": {"momentum": "$momentum"}},
                 "rest": {"plugin": "adamw", "lr": 0.001, "options": {"betas": "$betas"}}},
  "rules": [{"id": "tables", "match": {"where": "rows == 50257 or rows == 1024"}, "use": "rest", "note": "$x"},
            {"id": "m", "match": {"ndim": "$axes"}, "use": "$where"}],
  "fallback": "rest",
  "overrides": [{"id": "late", "match": {"where": "layer >= $layers - 4"}, "set": {"lr_scale": 0.5}}]})";

std::vector<ParameterInfo> wrapped() {
  auto entries = test::gpt2();
  for (auto& info : entries) {
    for (auto& name : info.names) {
      if (name.rfind("transformer.h.", 0) == 0) {
        const auto dot = name.find('.', 14);
        name.insert(dot, "._orig_mod");
      }
      name = "module." + name;
    }
  }
  return entries;
}

}  // namespace

TEST_CASE("spellings: the same routing has the same hashes, whatever it is written with") {
  const auto where = [](std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  // In `plain` the head is tied to the token table; both spellings must send the position table to `rest` as well.
  const auto one = plan(plain, test::table(test::gpt2()));
  const auto other = plan(spelled, test::table(wrapped()));
  CHECK(one.state_hash == other.state_hash);
  CHECK(one.plan_hash == other.plan_hash);
  const auto slower = plan(where(spelled, "\"lr\": 0.02", "\"lr\": 0.01"), test::table(wrapped()));
  CHECK(one.state_hash == slower.state_hash);
  CHECK(one.plan_hash != slower.plan_hash);
}

TEST_CASE("canonical: only whole segments go, never the last one") {
  const std::vector<std::string> strip = {"module", "_orig_mod"};
  CHECK(canonical_name("module.h.0.w", strip) == "h.0.w");
  CHECK(canonical_name("module._orig_mod.module.w", strip) == "w");
  CHECK(canonical_name("h.module.w", strip) == "h.w");
  CHECK(canonical_name("submodule.w", strip) == "submodule.w");
  CHECK(canonical_name("module", strip) == "module");
  CHECK(canonical_name("h.module", strip) == "h.module");
  CHECK(canonical_name("", strip).empty());
  CHECK(canonical_name("a..b", strip) == "a..b");
}

TEST_CASE("canonical: names of one tensor that become equal are one name") {
  auto info = test::parameter("module.w", {2, 2});
  info.names.push_back("w");
  Diagnostics diagnostics;
  const auto table = canonical_table(test::table({info}), {"module"}, {}, diagnostics);
  REQUIRE(table);
  CHECK((*table)[0].names == std::vector<std::string>{"w"});
  CHECK_FALSE((*table)[0].tied());
  CHECK(diagnostics.empty());
  CHECK_FALSE(canonical_table(test::table({test::parameter("module.w", {2}), test::parameter("w", {2})}), {"module"},
                              {}, diagnostics));
  CHECK(diagnostics.count(Severity::error) == 1);
}

TEST_CASE("canonical: a trace finds a tensor by either name") {
  Diagnostics diagnostics;
  const auto registry = test::registry();
  const auto spec = parse_spec(spelled, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", spelled}}));
  const auto table = test::table(wrapped());
  for (const char* name : {"module.transformer.h.9._orig_mod.ln_1.weight", "transformer.h.9.ln_1.weight"}) {
    const auto trace = trace_parameter(*spec, table, registry, name);
    REQUIRE(trace);
    CHECK(trace->info.name() == "transformer.h.9.ln_1.weight");
    CHECK(trace->rules[1].why == "ndim 1, wants 2");
    CHECK(trace->overrides[0].matches);
  }
  CHECK_FALSE(trace_parameter(*spec, table, registry, "h.9.ln_1.weight"));
}
