#include "rules/rule_report.h"

#include <doctest/doctest.h>

#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

const std::string text = R"({
  "switchyard": 1,
  "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02}, "rest": {"plugin": "adamw", "lr": 0.001}},
  "rules": [
    {"id": "qkv", "match": {"name": "**.c_attn.weight"}, "use": "hidden", "note": "fused",
     "matrix": {"split": {"axis": 1, "parts": [{"name": "q", "size": 64}, {"name": "k", "size": 64}, {"name": "v", "size": 64}]}}},
    {"id": "off", "match": {"ndim": 2}, "use": "rest", "disabled": true},
    {"id": "hidden", "match": {"name": "transformer.h.**", "ndim": 2}, "use": "hidden"},
    {"id": "all", "match": {"name": "**"}, "use": "rest"}],
  "fallback": "error"
})";

struct Case {
  Registry registry = test::registry();
  Sources sources = {{"s.json", text}};
  ParameterTable table = test::table(test::gpt2(2, 64));
  std::optional<Spec> spec;
  std::optional<Plan> plan;
  Case() {
    Diagnostics diagnostics;
    spec = parse_spec(text, "s.json", registry, diagnostics);
    REQUIRE_MESSAGE(spec, render(diagnostics, sources));
    plan = make_plan(*spec, table, registry, diagnostics);
    REQUIRE_MESSAGE(plan, render(diagnostics, sources));
  }
  RuleReport report(const std::string& id) const {
    auto out = report_rule(*spec, table, id);
    REQUIRE(out);
    return *out;
  }
};

}  // namespace

TEST_CASE("rule report: matched, won and lost agree with the plan for every rule") {
  const Case given;
  for (const auto& rule : given.plan->rules) {
    CAPTURE(rule.id);
    const auto report = given.report(rule.id);
    CHECK(static_cast<std::int64_t>(report.matched()) == rule.matched);
    CHECK(static_cast<std::int64_t>(report.won.size()) == rule.won);
    for (const auto& tensor : report.won) CHECK(given.plan->find(tensor.info.name())->rule == rule.id);
    for (const auto& tensor : report.lost) CHECK(given.plan->find(tensor.info.name())->rule == tensor.winner);
  }
}

TEST_CASE("rule report: the text names who took what was lost, with the place, and draws each shape once") {
  const Case given;
  const auto hidden = rule_report_text(given.report("hidden"), &*given.plan, given.sources);
  CAPTURE(hidden);
  CHECK(hidden.find("matches  8 tensors, takes 6, loses 2") != std::string::npos);
  CHECK(hidden.find("loses  2 tensors  to qkv") != std::string::npos);
  CHECK(hidden.find("transformer.h.*.attn.c_attn.weight") != std::string::npos);
  CHECK(hidden.find("s.json:5:") != std::string::npos);
  std::size_t views = 0;
  for (auto at = hidden.find("view of "); at != std::string::npos; at = hidden.find("view of ", at + 1)) ++views;
  CHECK(views == 3);  // [64, 64], [64, 256], [256, 64]
  const auto qkv = rule_report_text(given.report("qkv"), &*given.plan, given.sources);
  CHECK(qkv.find("view of [64, 192], 2 tensors") != std::string::npos);
  CHECK(qkv.find("|q 64            |k 64            |v 64            |") != std::string::npos);
  CHECK(qkv.find("note     fused") != std::string::npos);
  CHECK(rule_report_text(given.report("all"), &*given.plan, given.sources).find("view of") == std::string::npos);
}

TEST_CASE("rule report: a disabled rule takes nothing, an unknown one has no report") {
  const Case given;
  const auto report = given.report("off");
  CHECK(report.matched() == 0);
  CHECK(rule_report_text(report, &*given.plan, given.sources).find("disabled") != std::string::npos);
  CHECK_FALSE(report_rule(*given.spec, given.table, "of"));
}

TEST_CASE("rule report: the document counts what it lists, and needs no plan") {
  const Case given;
  for (const auto* plan : {static_cast<const Plan*>(nullptr), static_cast<const Plan*>(&*given.plan)}) {
    const auto json = rule_report_json(given.report("hidden"), plan, {}, given.sources);
    CHECK(json.find("matched")->as_int() == 8);
    CHECK(json.find("tensors")->size() == 8);
    CHECK(json.find("views")->size() == (plan == nullptr ? 0 : 3));
    CHECK(json.find("rule")->find("line")->as_int() == 8);
  }
}
