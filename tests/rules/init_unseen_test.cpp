// Starter specs of kinds of models that no manifest of the project has: the roles that a specialist gives their
// tensors.
#include <doctest/doctest.h>

#include "tests/support/started.h"
#include "tests/support/unseen_architectures.h"

using namespace switchyard;
using test::Started;

TEST_CASE("init, unseen: two towers with projections into one space") {
  const Started s(test::clip_like());
  s.element({"logit_scale", "text_model.embeddings.token_embedding.weight",
             "text_model.embeddings.position_embedding.weight", "vision_model.embeddings.patch_embedding.weight",
             "vision_model.embeddings.position_embedding.weight", "visual_projection.weight",
             "text_projection.weight"});
  s.matrix("text_model.encoder.layers.1.self_attn.out_proj.weight", 48, 48);
  s.matrix("vision_model.encoder.layers.0.mlp.fc2.weight", 64, 256);
}

TEST_CASE("init, unseen: attention through low-rank latents is maps, not adapters") {
  const Started s(test::latent_attention_like());
  s.element({"model.embed_tokens.weight", "lm_head.weight", "model.layers.1.mlp.gate.weight"});
  s.matrix("model.layers.0.self_attn.q_a_proj.weight", 24, 64);
  s.matrix("model.layers.0.self_attn.q_b_proj.weight", 96, 24);
  s.matrix("model.layers.2.self_attn.kv_a_proj_with_mqa.weight", 20, 64);
  s.matrix("model.layers.2.self_attn.kv_b_proj.weight", 128, 16);
  s.matrix("model.layers.0.mlp.gate_proj.weight", 176, 64);
  s.matrix("model.layers.2.mlp.experts.7.gate_proj.weight", 40, 64);
}

TEST_CASE("init, unseen: query groups in one matrix need the head counts") {
  const Started s(test::grouped_qkv_like());
  s.element({"transformer.h.0.self_attention.query_key_value.weight", "transformer.word_embeddings.weight"});
  CHECK(s.says("\"disabled\": true"));
  HeadCounts heads;
  heads.heads = 8;
  heads.kv_heads = 2;
  const Started given(test::grouped_qkv_like(), heads);
  given.matrix("transformer.h.1.self_attention.query_key_value.weight", 64, 64, 3);
  const auto& parts = given.at("transformer.h.1.self_attention.query_key_value.weight").parts;
  CHECK(parts[0].select == AxisCut{0, 32, 48, 2});
  CHECK(parts[1].out == 16);
  CHECK(parts[2].select == AxisCut{40, 8, 48, 2});
}

TEST_CASE("init, unseen: a state-space layer keeps its rates, and its many maps in one matrix, element-wise") {
  const Started s(test::mamba2_like());
  s.element({"backbone.embeddings.weight", "lm_head.weight", "backbone.layers.0.mixer.conv1d.weight",
             "backbone.layers.0.mixer.A_log", "backbone.layers.0.mixer.dt_bias",
             "backbone.layers.1.mixer.in_proj.weight"});
  s.matrix("backbone.layers.1.mixer.out_proj.weight", 48, 96);
  CHECK(s.says("\"gate\""));
}

TEST_CASE("init, unseen: an image U-Net with cross attention and steps") {
  const Started s(test::diffusion_unet_like());
  s.element({"conv_in.weight", "conv_out.weight", "down_blocks.0.resnets.0.norm1.weight"});
  s.matrix("time_embedding.linear_1.weight", 128, 32);
  s.matrix("time_embedding.linear_2.weight", 128, 128);
  s.matrix("down_blocks.1.resnets.0.conv1.weight", 64, 32 * 9);
  s.matrix("down_blocks.1.resnets.0.conv_shortcut.weight", 64, 32);
  s.matrix("down_blocks.1.resnets.0.time_emb_proj.weight", 64, 128);
  s.matrix("down_blocks.0.downsamplers.0.conv.weight", 32, 32 * 9);
  s.matrix("up_blocks.1.resnets.0.conv1.weight", 32, 96 * 9);
  s.matrix("up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", 64, 48);
  s.matrix("up_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.weight", 64, 64);
  // Gate and value in one matrix, read by a map of half the size two levels away.
  s.element({"down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj.weight"});
  s.matrix("down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2.weight", 32, 128);
}

TEST_CASE("init, unseen: one map that makes six vectors is not one matrix") {
  const Started s(test::adaptive_norm_like());
  s.element({"pos_embed", "x_embedder.proj.weight", "y_embedder.embedding_table.weight",
             "blocks.0.adaLN_modulation.1.weight", "final_layer.linear.weight",
             "final_layer.adaLN_modulation.1.weight"});
  CHECK(s.says("\"parts\": 6"));
  s.matrix("blocks.1.attn.qkv.weight", 48, 48, 3);
  s.matrix("blocks.1.mlp.fc1.weight", 192, 48);
  s.matrix("t_embedder.mlp.0.weight", 48, 256);
}

TEST_CASE("init, unseen: bags of embeddings and two plain stacks") {
  const Started s(test::recommender_like());
  s.element({"emb_l.0.weight", "emb_l.2.weight", "top_l.4.weight"});
  s.matrix("bot_l.0.weight", 64, 13);
  s.matrix("bot_l.4.weight", 16, 32);
  s.matrix("top_l.0.weight", 64, 22);
  s.matrix("top_l.2.weight", 32, 64);
}

TEST_CASE("init, unseen: the last layer of a list of graph layers makes the classes") {
  const Started s(test::graph_like());
  s.element({"node_emb.weight", "convs.0.att", "convs.2.lin_l.weight", "convs.2.lin_r.weight"});
  s.matrix("convs.0.lin_l.weight", 64, 32);
  s.matrix("convs.1.lin_r.weight", 64, 64);
}

TEST_CASE("init, unseen: torch's own attention has a known layout") {
  const Started s(test::torch_transformer_like());
  s.element({"embed.weight", "generator.weight"});
  s.matrix("transformer.encoder.layers.0.self_attn.in_proj_weight", 64, 64, 3);
  s.matrix("transformer.decoder.layers.1.multihead_attn.in_proj_weight", 64, 64, 3);
  s.matrix("transformer.decoder.layers.1.multihead_attn.out_proj.weight", 64, 64);
  s.matrix("transformer.encoder.layers.1.linear1.weight", 256, 64);
}

TEST_CASE("init, unseen: gates of recurrent layers, also reversed and projected ones") {
  const Started s(test::recurrent_like());
  s.element({"embed.weight", "joiner.output_linear.weight"});
  s.matrix("encoder.weight_ih_l0_reverse", 48, 32, 3);
  s.matrix("encoder.weight_hh_l1", 48, 48, 3);
  CHECK(s.at("encoder.weight_ih_l1").parts[1].name == "z");
  s.matrix("decoder.weight_ih_l0", 80, 96, 4);
  s.matrix("decoder.weight_hh_l0", 80, 40, 4);
  s.matrix("decoder.weight_hr_l0", 40, 80);
}

TEST_CASE("init, unseen: a detector's queries are looked up, its heads are heads") {
  const Started s(test::detector_like());
  s.element({"backbone.body.conv1.weight", "query_embed.weight", "class_embed.weight", "bbox_embed.layers.2.weight"});
  s.matrix("bbox_embed.layers.1.weight", 64, 64);
  s.matrix("input_proj.weight", 64, 32);
  s.matrix("backbone.body.layer1.1.conv1.weight", 32, 288);
  s.matrix("transformer.layers.0.self_attn.out_proj.weight", 64, 64);
}

TEST_CASE("init, unseen: a learned array and cross attention to inputs of another width") {
  const Started s(test::perceiver_like());
  s.element({"input_preprocessor.embeddings.weight", "input_preprocessor.position_embeddings.weight",
             "embeddings.latents", "decoder.final_layer.weight"});
  s.matrix("encoder.cross_attention.key.weight", 64, 48);
  s.matrix("encoder.cross_attention.query.weight", 64, 64);
  s.matrix("encoder.self_attends.1.mlp.dense2.weight", 64, 128);
}

TEST_CASE("init, unseen: windows with tables of relative positions") {
  const Started s(test::window_attention_like());
  s.element({"patch_embed.proj.weight", "layers.0.blocks.0.attn.relative_position_bias_table", "head.weight"});
  s.matrix("layers.0.downsample.reduction.weight", 64, 128);
  s.matrix("layers.1.blocks.1.attn.qkv.weight", 64, 64, 3);
}

TEST_CASE("init, unseen: sound as a raw wave") {
  const Started s(test::speech_encoder_like());
  s.element({"feature_extractor.conv_layers.0.conv.weight", "encoder.layers.0.self_attn.pos_bias_u",
             "encoder.layers.0.conv_module.depthwise_conv.weight", "lm_head.weight"});
  s.matrix("feature_extractor.conv_layers.1.conv.weight", 32, 96);
  s.matrix("feature_projection.projection.weight", 48, 32);
  s.matrix("encoder.layers.1.conv_module.pointwise_conv2.weight", 48, 48);
  s.matrix("encoder.layers.1.self_attn.linear_out.weight", 48, 48);
}

TEST_CASE("init, unseen: maps fused under names that say nothing are seen by what reads them") {
  const Started s(test::unnamed_fusion_like());
  s.element({"transformer.wte.weight", "transformer.ff_out.weight", "transformer.blocks.0.att_proj.weight",
             "transformer.blocks.1.ff_proj.weight"});
  s.matrix("transformer.blocks.0.attn_out.weight", 64, 64);
  s.matrix("transformer.blocks.0.ff_out.weight", 64, 176);
  CHECK(s.says("\"parts\": 3"));
  CHECK(s.says("\"parts\": 2"));
}

TEST_CASE("init, unseen: without module types the routes are the same") {
  test::check_without_types(test::clip_like());
  test::check_without_types(test::latent_attention_like());
  test::check_without_types(test::grouped_qkv_like());
  test::check_without_types(test::mamba2_like());
  test::check_without_types(test::diffusion_unet_like());
  test::check_without_types(test::adaptive_norm_like());
  test::check_without_types(test::recommender_like());
  test::check_without_types(test::graph_like());
  test::check_without_types(test::torch_transformer_like());
  test::check_without_types(test::recurrent_like());
  test::check_without_types(test::detector_like());
  test::check_without_types(test::perceiver_like());
  test::check_without_types(test::window_attention_like());
  test::check_without_types(test::speech_encoder_like());
  test::check_without_types(test::unnamed_fusion_like());
}
