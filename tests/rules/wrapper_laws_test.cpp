// The law of canonical names: wrappers around any modules of a model, nested in any order, change neither hash of a
// plan whose spec strips them.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "rules/init.h"
#include "rules/planner.h"
#include "tests/support/architectures.h"

using namespace switchyard;

namespace {

const std::vector<std::string> wrappers = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"};

/// What stands in front of the segments below each module: "model.layers.0" -> "module._orig_mod.".
using Wrapping = std::map<std::string, std::string>;

std::string wrapped_name(const std::string& name, Wrapping& wrapping, std::mt19937& random) {
  std::string out;
  for (std::size_t begin = 0;;) {
    const auto [found, fresh] = wrapping.emplace(name.substr(0, begin), "");
    if (fresh && random() % 3 == 0) {
      for (auto depth = 1 + random() % 3; depth > 0; --depth)
        found->second += wrappers[random() % wrappers.size()] + ".";
    }
    out += found->second;
    const auto dot = name.find('.', begin);
    if (dot == std::string::npos) return out + name.substr(begin);
    out += name.substr(begin, dot + 1 - begin);
    begin = dot + 1;
  }
}

/// `together`: all names of one module stand behind the same wrappers, as in a real model; else each has its own.
std::vector<ParameterInfo> wrapped(std::vector<ParameterInfo> model, bool together, std::mt19937& random) {
  Wrapping shared;
  for (auto& info : model) {
    for (auto& name : info.names) {
      Wrapping own;
      name = wrapped_name(name, together ? shared : own, random);
    }
  }
  return model;
}

std::string stripping(const std::string& spec, std::mt19937& random) {
  auto order = wrappers;
  std::shuffle(order.begin(), order.end(), random);
  std::string list;
  for (const auto& wrapper : order) list += (list.empty() ? "\"" : ", \"") + wrapper + "\"";
  auto out = spec;
  return out.insert(out.find('{') + 1, "\"canonical\": {\"strip\": [" + list + "]}, ");
}

std::string hashes(const std::string& text, const std::vector<ParameterInfo>& model) {
  static const auto registry = test::registry();
  Diagnostics diagnostics;
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
  const auto plan = make_plan(*spec, test::table(model), registry, diagnostics);
  REQUIRE_MESSAGE(plan, render(diagnostics, {{"s.json", text}}));
  return plan->state_hash + plan->plan_hash;
}

/// A spec over layers, ties, a `where` and an override, for GPT-2.
const std::string over_layers = R"({"switchyard": 1,
  "layers": {"index": "transformer.h.{i:int}.**", "count": 3},
  "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02}, "rest": {"plugin": "adamw", "lr": 0.001}},
  "rules": [{"id": "tied", "match": {"name": "transformer.wte.weight", "tie_with": "lm_head.weight"}, "use": "rest"},
            {"id": "late", "match": {"where": "layer >= 2 and ndim == 2"}, "use": "hidden", "set": {"lr_scale": 0.5}},
            {"id": "m", "match": {"name": "transformer.h.*.*.*.weight", "ndim": 2}, "use": "hidden"}],
  "fallback": "rest",
  "overrides": [{"id": "first", "match": {"layer": "first"}, "set": {"lr_scale": 0.25}}]})";

}  // namespace

TEST_CASE("laws: wrappers that the spec strips are in no hash, wherever and however deep they stand") {
  const unsigned seed = doctest::getContextOptions()->rand_seed;
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  std::vector<std::pair<std::string, std::vector<ParameterInfo>>> cases = {{over_layers, test::gpt2(3, 64)}};
  for (auto model : {test::llama_like(), test::moe_like(false, "Experts"), test::mamba_like(), test::whisper_like(),
                     test::t5_like(), test::lora_like(), test::unet_like()}) {
    cases.emplace_back(init_spec(test::table(model), test::registry()), std::move(model));
  }
  int changed = 0;
  for (const auto& one : cases) {
    const auto& spec = one.first;
    const auto& model = one.second;
    const auto plain = hashes(spec, model);
    CHECK(hashes(stripping(spec, random), model) == plain);
    for (int trial = 0; trial < 24; ++trial) {
      auto other = wrapped(model, trial % 2 == 0, random);
      if (trial % 3 == 0) std::shuffle(other.begin(), other.end(), random);
      for (std::size_t i = 0; i < other.size() && trial % 3 != 0; ++i)
        changed += other[i].names != model[i].names ? 1 : 0;
      CAPTURE(other[0].name());
      REQUIRE(hashes(stripping(spec, random), other) == plain);
    }
  }
  CHECK(changed > 1000);
}

TEST_CASE("laws: a wrapper that the spec does not strip is in both hashes") {
  auto model = test::gpt2(3, 64);
  const auto spec = R"({"switchyard": 1, "optimizers": {"rest": {"plugin": "adamw", "lr": 0.001}}, "rules": [],
                       "fallback": "rest"})";
  const auto plain = hashes(spec, model);
  for (auto& name : model[3].names) name = "module." + name;
  const auto other = hashes(spec, model);
  CHECK(other.substr(0, 64) != plain.substr(0, 64));
  CHECK(other.substr(64) != plain.substr(64));
}
