#include "rules/init.h"

#include <doctest/doctest.h>

#include "tests/support/architectures.h"
#include "tests/support/started.h"

using namespace switchyard;
using test::Started;

TEST_CASE("init: GPT-2 with Conv1D modules has its true axes and a split") {
  const Started s(test::gpt2(2));
  s.element({"transformer.wte.weight", "transformer.wpe.weight", "transformer.h.0.attn.c_attn.bias"});
  s.matrix("transformer.h.1.attn.c_attn.weight", 768, 768, 3);
  CHECK(s.at("transformer.h.1.attn.c_attn.weight").view.out == std::vector<int>{1});
  s.matrix("transformer.h.1.attn.c_proj.weight", 768, 768);
  CHECK(s.at("transformer.h.1.attn.c_proj.weight").view.out == std::vector<int>{1});
  s.matrix("transformer.h.1.mlp.c_fc.weight", 3072, 768);
  s.matrix("transformer.h.1.mlp.c_proj.weight", 768, 3072);
}

TEST_CASE("init: without module types the biases show how matrices are stored") {
  for (const bool by_name : {false, true}) {
    auto list = test::untyped(test::gpt2(2));
    if (by_name) list = test::sorted(std::move(list));
    const Started s(std::move(list));
    s.element({"transformer.wte.weight", "transformer.wpe.weight"});
    s.matrix("transformer.h.1.attn.c_attn.weight", 768, 768, 3);
    CHECK(s.at("transformer.h.1.attn.c_proj.weight").view.out == std::vector<int>{1});
    s.matrix("transformer.h.1.mlp.c_fc.weight", 3072, 768);
  }
}

TEST_CASE("init: rules are globs over layers and siblings, not one a tensor") {
  const Started s(test::llama_like());
  s.element({"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"});
  s.matrix("model.layers.11.self_attn.k_proj.weight", 16, 64);
  s.matrix("model.layers.0.mlp.down_proj.weight", 64, 176);
  CHECK(s.plan.rules.size() == 4);
  CHECK(s.says("model.layers.*.self_attn.{q_proj,k_proj,v_proj,o_proj}.weight"));
  CHECK(s.says("model.layers.*.mlp.{gate_proj,up_proj,down_proj}.weight"));
}

TEST_CASE("init: routes do not depend on module types or on the order of a file") {
  test::check_without_types(test::llama_like());
  test::check_without_types(test::fused_llama_like());
  test::check_without_types(test::moe_like(false, "Experts"));
  test::check_without_types(test::listed_moe_like());
  test::check_without_types(test::mamba_like());
  test::check_without_types(test::rwkv_like());
  test::check_without_types(test::convnext_like());
  test::check_without_types(test::vit_like());
  test::check_without_types(test::t5_like());
  test::check_without_types(test::neox_like());
}

TEST_CASE("init: names that spell an order are split, the output projection shows the size of the query") {
  const Started s(test::fused_llama_like());
  s.matrix("model.layers.1.self_attn.qkv_proj.weight", 64, 64, 3);
  CHECK(s.at("model.layers.1.self_attn.qkv_proj.weight").parts[1].out == 16);
  s.matrix("model.layers.1.mlp.gate_up_proj.weight", 160, 64, 2);
  CHECK(s.at("model.layers.1.mlp.gate_up_proj.weight").parts[0].name == "gate");
}

TEST_CASE("init: a head count that nothing shows is not guessed but can be given") {
  const Started s(test::neox_like());
  s.element({"gpt_neox.layers.0.attention.query_key_value.weight", "gpt_neox.embed_in.weight", "embed_out.weight"});
  s.matrix("gpt_neox.layers.0.attention.dense.weight", 64, 64);
  CHECK(s.says("\"disabled\": true"));
  CHECK(s.says("\"interleave\": 1"));

  HeadCounts heads;
  heads.heads = 4;
  const Started given(test::neox_like(), heads);
  given.matrix("gpt_neox.layers.0.attention.query_key_value.weight", 64, 64, 3);
  CHECK(given.says("\"interleave\": 4"));
  const auto& part = given.at("gpt_neox.layers.0.attention.query_key_value.weight").parts[1];
  CHECK(part.select == AxisCut{16, 16, 48, 4});
  CHECK_FALSE(given.says("\"disabled\""));
}

TEST_CASE("init: experts have their true axes, routers and stacked biases are element-wise") {
  const Started s(test::moe_like(false, "Experts"));
  s.element({"model.layers.0.mlp.gate.weight", "model.layers.0.mlp.shared_expert_gate.weight"});
  s.matrix("model.layers.0.mlp.experts.gate_up_proj", 96, 64, 2);
  s.matrix("model.layers.0.mlp.experts.down_proj", 64, 96);
  s.matrix("model.layers.0.mlp.shared_expert.gate_proj.weight", 96, 64);

  const Started other(test::moe_like(true, "Experts", "router", true));
  other.element({"model.layers.0.mlp.router.weight", "model.layers.0.mlp.experts.gate_up_proj_bias",
                 "model.layers.0.mlp.experts.down_proj_bias", "model.layers.0.mlp.experts.gate_up_proj"});
  other.matrix("model.layers.0.mlp.experts.down_proj", 64, 96);
  CHECK(other.at("model.layers.0.mlp.experts.down_proj").view.out == std::vector<int>{2});
  CHECK(other.says("\"disabled\": true"));

  const Started known(test::moe_like(true, "GptOssExperts", "router", true));
  known.matrix("model.layers.0.mlp.experts.gate_up_proj", 96, 64, 2);
  CHECK(known.says("\"interleave\": 96"));

  const Started listed(test::listed_moe_like());
  listed.element({"blocks.1.ffn.scores.weight"});
  listed.matrix("blocks.1.ffn.members.7.w2.weight", 64, 96);
}

TEST_CASE("init: recurrences keep their tables on the element-wise optimizer") {
  const Started mamba(test::mamba_like());
  mamba.element({"backbone.embedding.weight", "backbone.layers.0.mixer.A_log", "backbone.layers.0.mixer.D",
                 "backbone.layers.0.mixer.conv1d.weight"});
  mamba.matrix("backbone.layers.0.mixer.in_proj.weight", 96, 48, 2);
  mamba.matrix("backbone.layers.0.mixer.dt_proj.weight", 96, 3);
  mamba.matrix("backbone.layers.1.mixer.out_proj.weight", 48, 96);

  const Started rwkv(test::rwkv_like());
  rwkv.element({"rwkv.embeddings.weight", "head.weight", "rwkv.blocks.0.attention.time_decay",
                "rwkv.blocks.0.attention.time_mix_key", "rwkv.blocks.0.attention.time_maa_w1",
                "rwkv.blocks.1.attention.time_maa_w2"});
  rwkv.matrix("rwkv.blocks.0.attention.key.weight", 64, 64);
  rwkv.matrix("rwkv.blocks.1.feed_forward.key.weight", 224, 64);

  const Started lstm(test::lstm_like());
  lstm.element({"embed.weight", "out.weight"});
  lstm.matrix("rnn.weight_ih_l0", 64, 32, 4);
}

TEST_CASE("init: adapters are element-wise, by name and by place; frozen tensors need no rule") {
  const Started s(test::lora_like());
  s.element({"base.layers.0.q_proj.lora_A.default.weight", "base.layers.1.q_proj.lora_B.default.weight",
             "base.layers.0.v_proj.shrink.weight", "base.layers.0.v_proj.grow.weight"});
  s.matrix("base.layers.0.fresh.up.weight", 256, 64);
  CHECK_FALSE(s.says("base_layer"));
}

TEST_CASE("init: convolutions by what they mix") {
  const Started convnext(test::convnext_like());
  convnext.element({"stem.0.weight", "stages.0.blocks.1.conv_dw.weight", "head.fc.weight"});
  convnext.matrix("stages.1.downsample.1.weight", 48, 24 * 4);
  convnext.matrix("stages.0.blocks.0.mlp.fc1.weight", 96, 24);

  const Started vit(test::vit_like());
  vit.element({"cls_token", "pos_embed", "patch_embed.proj.weight", "head.weight"});
  vit.matrix("blocks.2.attn.qkv.weight", 64, 64, 3);

  const Started resnext(test::resnext_like());
  resnext.element({"conv1.weight", "layer1.0.conv2.weight", "fc.weight"});
  resnext.matrix("layer1.1.conv3.weight", 256, 128);

  const Started unet(test::unet_like());
  unet.element({"inc.conv.weight", "outc.conv.weight"});
  unet.matrix("down.conv.weight", 64, 288);
  unet.matrix("up.up.weight", 128, 64);
  CHECK(unet.at("up.up.weight").view.in == std::vector<int>{0});
}

TEST_CASE("init: ties, fixed positions and relative positions") {
  const Started whisper(test::whisper_like());
  whisper.element(
      {"model.encoder.conv1.weight", "model.decoder.embed_tokens.weight", "model.decoder.embed_positions.weight"});
  whisper.matrix("model.encoder.conv2.weight", 64, 192);
  whisper.matrix("model.decoder.layers.1.encoder_attn.k_proj.weight", 64, 64);

  const Started t5(test::t5_like());
  t5.element({"shared.weight", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"});
  t5.matrix("decoder.block.1.layer.1.DenseReluDense.wo.weight", 64, 256);
}

TEST_CASE("init: names with the characters of patterns are taken literally") {
  auto list = test::llama_like();
  list.push_back(test::parameter("re:odd*{a,b}?[x].weight", {64, 64}, "Linear"));
  list.push_back(test::parameter("re:oddlyaxx.weight", {64, 64}, "Embedding"));
  const Started s(std::move(list));
  s.element({"re:oddlyaxx.weight"});
  s.matrix("re:odd*{a,b}?[x].weight", 64, 64);
}

TEST_CASE("init: every role that a starter spec acts on has a reason in a note") {
  const Started s(test::moe_like(true, "Experts", "router", true));
  std::size_t notes = 0;
  std::size_t rules = 0;
  for (std::size_t at = s.text.find("\"note\""); at != std::string::npos; at = s.text.find("\"note\"", at + 1)) ++notes;
  for (std::size_t at = s.text.find("\"id\""); at != std::string::npos; at = s.text.find("\"id\"", at + 1)) ++rules;
  CHECK(rules > 5);
  CHECK(notes == rules);
}
