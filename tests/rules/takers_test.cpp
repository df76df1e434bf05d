#include "rules/takers.h"

#include <doctest/doctest.h>

#include <random>

#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

struct Planned {
  Spec spec;
  ParameterTable table;
  Plan plan;
};

Planned planned(const std::string& rules, std::vector<ParameterInfo> model, const std::string& more = "") {
  const auto registry = test::registry();
  const auto text = R"({"switchyard": 1, "optimizers": {"a": {"plugin": "adamw", "lr": 0.01}}, "fallback": "a", )" +
                    more + "\"rules\": [" + rules + "]}";
  Diagnostics diagnostics;
  auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
  auto table = test::table(std::move(model));
  auto plan = make_plan(*spec, table, registry, diagnostics);
  REQUIRE_MESSAGE(plan, render(diagnostics, {{"s.json", text}}));
  return {std::move(*spec), std::move(table), std::move(*plan)};
}

std::string rule(const std::string& id, const std::string& name) {
  return R"({"id": ")" + id + R"(", "optional": true, "match": {"name": ")" + name + R"("}, "use": "a"})";
}

}  // namespace

TEST_CASE("takers: what a rule loses is named with the rule that takes it") {
  const auto given =
      planned(rule("one", "**.c_attn.weight") + "," + rule("two", "transformer.h.0.**") + "," +
                  rule("part", "transformer.h.*.attn.*.weight") + "," + rule("dead", "transformer.h.0.mlp.**"),
              test::gpt2(2, 64));
  const auto losses = losses_of(given.spec, given.table, given.plan);
  using List = std::vector<std::pair<std::string, std::int64_t>>;
  CHECK(losses.count("one") == 0);
  CHECK(losses.at("two") == List{{"one", 1}});
  CHECK(losses.at("part") == List{{"one", 2}, {"two", 1}});
  CHECK(losses.at("dead") == List{{"two", 4}});
}

TEST_CASE("takers: names behind a stripped wrapper are counted too") {
  auto model = test::gpt2(1, 64);
  for (auto& info : model) {
    for (auto& name : info.names) name = "module." + name;
  }
  const auto given = planned(rule("one", "transformer.**") + "," + rule("two", "transformer.wpe.weight"), model,
                             R"("canonical": {"strip": ["module"]}, )");
  CHECK(losses_of(given.spec, given.table, given.plan).at("two").front().second == 1);
}

TEST_CASE("takers: the losses of every rule add up to what it matches and does not win") {
  const unsigned seed = doctest::getContextOptions()->rand_seed;
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const char* names[] = {"**",         "**.weight",        "**.bias",   "transformer.h.1.**",
                         "**.attn.**", "transformer.w*.*", "**.mlp.*.*"};
  for (int trial = 0; trial < 40; ++trial) {
    std::string rules;
    for (int i = 0; i < 6; ++i)
      rules += (i > 0 ? "," : "") + rule("r" + std::to_string(i), names[random() % std::size(names)]);
    const auto given = planned(rules, test::gpt2(3, 8));
    const auto losses = losses_of(given.spec, given.table, given.plan);
    for (const auto& row : given.plan.rules) {
      std::int64_t lost = 0;
      if (const auto found = losses.find(row.id); found != losses.end()) {
        for (const auto& taker : found->second) lost += taker.second;
      }
      REQUIRE(lost == row.matched - row.won);
    }
  }
}
