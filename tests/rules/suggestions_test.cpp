// What the shipped plugins suggest (`"extends": "plugin:NAME/defaults"`) on parameter lists in the layout of real
// models.

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "rules/lint.h"
#include "rules/planner.h"
#include "rules/plugins_json.h"
#include "rules/spec.h"
#include "tests/support/architectures.h"

using namespace switchyard;

namespace {

const Registry& registry() {
  static const auto out = [] {
    std::ifstream file(SWITCHYARD_SOURCE_DIR "/schemas/plugins.json");
    std::ostringstream text;
    text << file.rdbuf();
    return registry_from_json(text.str());
  }();
  return out;
}

struct Routed {
  std::optional<Plan> plan;
  std::set<std::string> lints;

  Routed(const std::string& extends, const std::vector<ParameterInfo>& list) {
    const auto text = R"({"switchyard": 1, "extends": )" + extends + "}";
    Diagnostics diagnostics;
    const auto table = test::table(list);
    const auto spec = parse_spec(text, "s.json", registry(), diagnostics);
    REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
    plan = make_plan(*spec, table, registry(), diagnostics);
    REQUIRE_MESSAGE(plan, render(diagnostics, {{"s.json", text}}));
    CHECK(diagnostics.empty());
    const auto found = lint(*spec, table, *plan, registry());
    for (const auto& item : found.items()) lints.insert(item.code + " " + item.subject);
  }
  const std::string& plugin(const std::string& name) const {
    const auto* found = plan->find(name);
    REQUIRE_MESSAGE(found != nullptr, name);
    return found->plugin;
  }
};

const std::string both = R"(["plugin:adamw/defaults", "plugin:muon/defaults"])";

}  // namespace

TEST_CASE("suggestions: muon and adamw together are a whole spec, and no lint has a word against it") {
  const std::vector<std::pair<std::string, std::vector<ParameterInfo>>> models = {
      {"gpt2", test::gpt2(2)},
      {"llama", test::llama_like()},
      {"fused llama", test::fused_llama_like()},
      {"neox", test::neox_like()},
      {"experts", test::moe_like(false, "Experts")},
      {"experts with biases", test::moe_like(true, "Experts", "router", true)},
      {"mamba", test::mamba_like()},
      {"rwkv", test::rwkv_like()},
      {"convnext", test::convnext_like()},
      {"vit", test::vit_like()},
      {"whisper", test::whisper_like()},
      {"t5", test::t5_like()},
      {"resnext", test::resnext_like()},
      {"unet", test::unet_like()},
      {"lstm", test::lstm_like()}};
  for (const auto& model : models) {
    const auto& name = model.first;
    CAPTURE(name);
    for (const auto& variant : {model.second, test::untyped(model.second)}) {
      const Routed routed(both, variant);
      std::string found;
      for (const auto& line : routed.lints) found += line + "\n";
      // Without module types nothing but the lint shows that Conv1D keeps [in, out].
      const bool turned = name == "gpt2" && variant.front().module.empty();
      CHECK_MESSAGE(found == (turned ? "SWY-3110 transformer.h.0.attn.c_proj.weight\n" : ""), found);
    }
  }
}

TEST_CASE("suggestions: muon takes the maps of blocks with their true axes, adamw the rest") {
  const Routed llama(both, test::llama_like());
  CHECK(llama.plugin("model.layers.3.self_attn.q_proj.weight") == "muon");
  CHECK(llama.plugin("model.layers.3.self_attn.k_proj.weight") == "muon");
  CHECK(llama.plugin("model.layers.11.mlp.down_proj.weight") == "muon");
  CHECK(llama.plugin("model.layers.3.mlp.gate_proj.weight") == "muon");  // no router
  CHECK(llama.plugin("model.embed_tokens.weight") == "adamw");
  CHECK(llama.plugin("lm_head.weight") == "adamw");
  CHECK(llama.plugin("model.norm.weight") == "adamw");
  CHECK(llama.plan->find("model.norm.weight")->decay_scale == 0);

  const Routed gpt2(both, test::gpt2(2));
  const auto* fused = gpt2.plan->find("transformer.h.1.attn.c_attn.weight");
  REQUIRE(fused->parts.size() == 3);
  CHECK(fused->parts[2].out == 768);
  CHECK(gpt2.plan->find("transformer.h.1.mlp.c_fc.weight")->parts[0].out == 3072);  // Conv1D keeps [in, out]
  CHECK(gpt2.plugin("transformer.wte.weight") == "adamw");
  CHECK(gpt2.plugin("transformer.wpe.weight") == "adamw");
  CHECK(gpt2.plugin("transformer.h.1.mlp.c_fc.bias") == "adamw");

  test::Model stored_out_in;
  stored_out_in.linear("transformer.h.0.attn.c_attn", 192, 64).linear("transformer.h.0.attn.c_proj", 64, 64);
  const Routed linear(both, stored_out_in.list());
  REQUIRE(linear.plan->find("transformer.h.0.attn.c_attn.weight")->parts.size() == 3);
  CHECK(linear.plan->find("transformer.h.0.attn.c_attn.weight")->parts[0].out == 64);

  CHECK(Routed(both, test::fused_llama_like()).plugin("model.layers.0.mlp.gate_up_proj.weight") == "adamw");
  CHECK(Routed(both, test::neox_like()).plugin("gpt_neox.layers.0.attention.query_key_value.weight") == "adamw");
  CHECK(Routed(both, test::moe_like(false, "Experts")).plugin("model.layers.0.mlp.gate.weight") == "adamw");
  const Routed convnext(both, test::convnext_like());
  CHECK(convnext.plan->find("stages.1.downsample.1.weight")->parts[0].in == 24 * 2 * 2);
  CHECK(convnext.plugin("stages.0.blocks.0.conv_dw.weight") == "adamw");
  CHECK(convnext.plugin("stem.0.weight") == "adamw");
}

TEST_CASE("suggestions: lion can take the place of adamw, and each plugin may stand alone") {
  const Routed lion(R"(["plugin:lion/defaults", "plugin:muon/defaults"])", test::llama_like());
  CHECK(lion.plugin("lm_head.weight") == "lion");
  CHECK(lion.plugin("model.layers.3.self_attn.q_proj.weight") == "muon");
  for (const auto* name : {"adamw", "lion"}) {
    const Routed alone(R"("plugin:)" + std::string(name) + "/defaults\"", test::llama_like());
    CHECK(alone.plugin("model.layers.3.self_attn.q_proj.weight") == name);
    CHECK(alone.lints.empty());
  }
}

TEST_CASE("suggestions: muon alone asks for a fallback, in the spec that extends it") {
  const std::string text = R"({"switchyard": 1, "extends": "plugin:muon/defaults"})";
  Diagnostics diagnostics;
  CHECK_FALSE(parse_spec(text, "s.json", registry(), diagnostics));
  REQUIRE(diagnostics.items().size() == 1);
  CHECK(diagnostics.items()[0].code == "SWY-1012");
  CHECK(diagnostics.items()[0].place.span.file == "s.json");
}

TEST_CASE("suggestions: every shipped one says why, rule by rule") {
  std::size_t suggesting = 0;
  for (const auto& descriptor : registry().optimizers()) {
    if (descriptor.defaults.empty()) continue;
    ++suggesting;
    CAPTURE(descriptor.name);
    Diagnostics diagnostics;
    const auto json = parse_json(descriptor.defaults, "defaults", diagnostics);
    REQUIRE(json);
    CHECK(json->find("optimizers")->find(descriptor.name)->find("plugin")->as_string() == descriptor.name);
    for (const auto& rule : json->find("rules")->items()) {
      CHECK(rule.find("note") != nullptr);
      CHECK(rule.find("optional") != nullptr);  // a model need not have such tensors
      CHECK(rule.find("use")->as_string() == descriptor.name);
      CHECK(rule.find("id")->as_string().rfind(descriptor.name + "-", 0) == 0);
    }
  }
  CHECK(suggesting == 3);
}
