#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <random>
#include <sstream>

#include "rules/manifest.h"
#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

std::string example(const std::string& name) {
  std::ifstream file(SWITCHYARD_SOURCE_DIR "/examples/specs/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Plan plan(const std::string& text, const ParameterTable& table) {
  Diagnostics diagnostics;
  const auto registry = test::registry();
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
  auto out = make_plan(*spec, table, registry, diagnostics);
  REQUIRE_MESSAGE(out, render(diagnostics, {{"s.json", text}}));
  CHECK_MESSAGE(diagnostics.empty(), render(diagnostics, {{"s.json", text}}));
  return std::move(*out);
}

}  // namespace

TEST_CASE("planner: GPT-2 small on Muon and AdamW, counted by hand") {
  const auto table = test::table(test::gpt2());
  CHECK(table.size() == 148);
  CHECK(table.name_count() == 149);
  CHECK(table.numel() == 124'439'808);
  const auto made = plan(example("gpt2_muon.json"), table);
  const auto registry = test::registry();
  std::int64_t elements = 0;
  std::size_t blocks = 0;
  for (const auto& parameter : made.parameters) {
    if (parameter.plugin != "muon") continue;
    elements += parameter.info.numel();
    const auto own = parameter.blocks(*registry.find("muon"));
    blocks += own.size();
    for (const auto& block : own)
      CHECK(block.out * block.in * static_cast<std::int64_t>(own.size()) == parameter.info.numel());
  }
  CHECK(elements == 84'934'656);
  CHECK(blocks == 72);

  const auto& qkv = *made.find("transformer.h.3.attn.c_attn.weight");
  CHECK(qkv.view.out == std::vector<int>{1});
  CHECK(qkv.view.in == std::vector<int>{0});
  REQUIRE(qkv.parts.size() == 3);
  for (const auto& part : qkv.parts) {
    CHECK(part.out == 768);
    CHECK(part.in == 768);
    CHECK(part.scale == 1);
    CHECK(part.select_axis == 1);
  }
  CHECK(qkv.parts[1].name == "k");
  CHECK(qkv.parts[1].select == AxisCut{768, 768, 0, 1});
  const auto& up = *made.find("transformer.h.0.mlp.c_fc.weight");
  CHECK(up.parts.front().out == 3072);
  CHECK(up.parts.front().in == 768);
  CHECK(up.parts.front().scale == 2);
  CHECK(made.find("transformer.h.0.mlp.c_proj.weight")->factors.lr() == doctest::Approx(0.014).epsilon(1e-15));
  CHECK(made.find("lm_head.weight") == made.find("transformer.wte.weight"));

  REQUIRE(made.rules.size() == 5);
  CHECK(made.rules[2].won == 12);
  CHECK(made.rules[3].matched == 48);
  CHECK(made.rules[3].won == 36);
  CHECK(made.rules[3].elements == 63'700'992);
  CHECK(made.rules[4].won == 98);
  CHECK(made.overrides.front().matched == 24);
}

TEST_CASE("planner: hashes do not depend on the order of parameters, names or of keys in the text") {
  auto entries = test::gpt2(3, 64);
  const auto text = example("gpt2_muon.json");
  auto scaled = text;
  for (auto at = scaled.find("\"size\": 768"); at != std::string::npos; at = scaled.find("\"size\": 768"))
    scaled.replace(at, 11, "\"size\": 64");
  const auto first = plan(scaled, test::table(entries));
  std::mt19937 random(11);
  for (int trial = 0; trial < 20; ++trial) {
    std::shuffle(entries.begin(), entries.end(), random);
    for (auto& entry : entries) std::shuffle(entry.names.begin(), entry.names.end(), random);
    const auto other = plan(scaled, test::table(entries));
    REQUIRE(other.state_hash == first.state_hash);
    REQUIRE(other.plan_hash == first.plan_hash);
    for (const auto& parameter : first.parameters) REQUIRE(other.find(parameter.info.name())->rule == parameter.rule);
  }
}

TEST_CASE("planner: notes, ids of rules and sinks are in no hash, options are in one, plugins in both") {
  const auto table = test::table(test::gpt2(2, 64));
  auto text = example("gpt2_muon.json");
  for (auto at = text.find("\"size\": 768"); at != std::string::npos; at = text.find("\"size\": 768"))
    text.replace(at, 11, "\"size\": 64");
  const auto first = plan(text, table);
  const auto with = [&](const std::string& from, const std::string& to) {
    auto changed = text;
    REQUIRE(changed.find(from) != std::string::npos);
    changed.replace(changed.find(from), from.size(), to);
    return plan(changed, table);
  };

  CHECK(with("runs/gpt2/", "elsewhere/").plan_hash == first.plan_hash);
  CHECK(with("\"lr\": 0.02", "\"lr\": 0.03").plan_hash != first.plan_hash);
  CHECK(with("\"lr\": 0.02", "\"lr\": 0.03").state_hash == first.state_hash);
  CHECK(with("\"warmup\": 256", "\"warmup\": 255").plan_hash != first.plan_hash);
  CHECK(with("\"norm\": 1.0", "\"norm\": 2.0").plan_hash != first.plan_hash);
  CHECK(with("\"betas\": [0.9, 0.95]", "\"betas\": [0.9, 0.95], \"amsgrad\": true").state_hash != first.state_hash);
}

TEST_CASE("planner: independent rules may stand in any order") {
  const auto table = test::table(test::gpt2(2, 64));
  std::vector<std::string> rules = {
      R"({"id": "tables", "match": {"name": ["transformer.w*.weight"]}, "use": "rest"})",
      R"({"id": "matrices", "match": {"name": "transformer.h.**", "ndim": 2}, "use": "hidden"})",
      R"({"id": "vectors", "match": {"ndim": 1}, "use": "rest"})"};
  std::sort(rules.begin(), rules.end());
  std::string hash;
  do {
    std::string text =
        R"({"switchyard": 1, "optimizers": {"hidden": {"plugin": "muon", "lr": 0.1}, "rest": {"plugin": "adamw", "lr": 0.01}}, "rules": [)";
    for (std::size_t i = 0; i < rules.size(); ++i) text += (i > 0 ? "," : "") + rules[i];
    const auto made = plan(text + R"(], "fallback": "error"})", table);
    if (hash.empty()) hash = made.plan_hash;
    CHECK(made.plan_hash == hash);
  } while (std::next_permutation(rules.begin(), rules.end()));
}

// Covers R31, P3.
TEST_CASE("planner: 100,000 parameters and 1,000 rules are planned at once, with exact counts") {
  std::vector<ParameterInfo> entries;
  for (int i = 0; i < 100'000; ++i) {
    entries.push_back(test::parameter(
        "model.layers." + std::to_string(i / 10) + ".block" + std::to_string(i % 10) + ".weight", {16, 16}));
  }
  const auto table = test::table(std::move(entries));
  std::string text =
      R"({"switchyard": 1, "optimizers": {"m": {"plugin": "muon", "lr": 0.1}}, "fallback": "m", "rules": [)";
  for (int i = 0; i < 999; ++i) {
    text += "{\"id\": \"r" + std::to_string(i) + "\", \"match\": {\"name\": \"model.layers.*" + std::to_string(i) +
            ".**\", \"ndim\": 2}, \"use\": \"m\"},";
  }
  text += R"({"id": "last", "match": {"name": "**"}, "use": "m"}]})";
  const auto begin = std::clock();
  Diagnostics diagnostics;
  const auto registry = test::registry();
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE(spec);
  const auto made = make_plan(*spec, table, registry, diagnostics);
  const double spent = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  REQUIRE(made);
  MESSAGE("processor seconds: ", spent);
  // 2 s is the promise for a whole process in a release build. Processor time, because a busy machine is no slow
  // planner; ten times that tells a build with sanitizers from a quadratic planner, which would take minutes.
  CHECK(spent < 20);
  CHECK(made->rules.back().matched == 100'000);
  std::int64_t won = 0;
  for (const auto& rule : made->rules) won += rule.won;
  CHECK(won == 100'000);
  CHECK(made->rules[7].matched == 10'000);
  CHECK(made->rules[7].won == 10'000);
  CHECK(made->rules[77].matched == 1'000);
  CHECK(made->rules[77].won == 0);
}
