#pragma once

#include "tests/support/architectures.h"

/// More parameter lists in the style of common libraries: kinds of models that tests/support/architectures.h does not
/// have.
namespace switchyard::test {

/// Two towers of different widths, projections into one space, a learned temperature.
inline std::vector<ParameterInfo> clip_like() {
  Model m;
  m.add("logit_scale", {}, "CLIPModel");
  const auto tower = [&](const std::string& name, std::int64_t d) {
    for (int i = 0; i < 2; ++i) {
      m.under(name + ".encoder.layers." + std::to_string(i) + ".");
      for (const char* map : {"k_proj", "v_proj", "q_proj", "out_proj"})
        m.linear(std::string("self_attn.") + map, d, d, true);
      m.norm("layer_norm1", d, true).linear("mlp.fc1", 4 * d, d, true).linear("mlp.fc2", d, 4 * d, true);
      m.norm("layer_norm2", d, true);
    }
    m.under("");
  };
  m.add("text_model.embeddings.token_embedding.weight", {1000, 48}, "Embedding");
  m.add("text_model.embeddings.position_embedding.weight", {77, 48}, "Embedding");
  tower("text_model", 48);
  m.norm("text_model.final_layer_norm", 48, true);
  m.add("vision_model.embeddings.class_embedding", {64}, "CLIPVisionEmbeddings");
  m.add("vision_model.embeddings.patch_embedding.weight", {64, 3, 16, 16}, "Conv2d");
  m.add("vision_model.embeddings.position_embedding.weight", {197, 64}, "Embedding");
  tower("vision_model", 64);
  m.norm("vision_model.post_layernorm", 64, true);
  m.linear("visual_projection", 40, 64).linear("text_projection", 40, 48);
  return m.list();
}

/// Attention through low-rank latents, then lists of experts behind a router.
inline std::vector<ParameterInfo> latent_attention_like() {
  Model m;
  m.add("model.embed_tokens.weight", {1000, 64}, "Embedding");
  for (int i = 0; i < 3; ++i) {
    m.under(layer("model.layers", i));
    m.linear("self_attn.q_a_proj", 24, 64).norm("self_attn.q_a_layernorm", 24).linear("self_attn.q_b_proj", 96, 24);
    m.linear("self_attn.kv_a_proj_with_mqa", 20, 64).norm("self_attn.kv_a_layernorm", 16);
    m.linear("self_attn.kv_b_proj", 128, 16).linear("self_attn.o_proj", 64, 64);
    if (i == 0) {
      m.linear("mlp.gate_proj", 176, 64).linear("mlp.up_proj", 176, 64).linear("mlp.down_proj", 64, 176);
    } else {
      m.add("mlp.gate.weight", {8, 64}, "TopkRouter").add("mlp.gate.e_score_correction_bias", {8}, "TopkRouter");
      for (int e = 0; e < 8; ++e) {
        const auto expert = "mlp.experts." + std::to_string(e);
        m.linear(expert + ".gate_proj", 40, 64)
            .linear(expert + ".up_proj", 40, 64)
            .linear(expert + ".down_proj", 64, 40);
      }
    }
    m.norm("input_layernorm", 64).norm("post_attention_layernorm", 64);
  }
  m.under("").norm("model.norm", 64).linear("lm_head", 1000, 64);
  return m.list();
}

/// Groups of query heads with their key and value, in one matrix.
inline std::vector<ParameterInfo> grouped_qkv_like() {
  Model m;
  m.add("transformer.word_embeddings.weight", {1000, 64}, "Embedding").tie("lm_head.weight");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("transformer.h", i)).norm("ln_attn", 64, true).norm("ln_mlp", 64, true);
    m.linear("self_attention.query_key_value", 96, 64).linear("self_attention.dense", 64, 64);
    m.linear("mlp.dense_h_to_4h", 256, 64).linear("mlp.dense_4h_to_h", 64, 256);
  }
  m.under("").norm("transformer.ln_f", 64, true);
  return m.list();
}

/// State-space layers whose input map makes gate, convolved part and step sizes at once.
inline std::vector<ParameterInfo> mamba2_like() {
  Model m;
  m.add("backbone.embeddings.weight", {1000, 48}, "Embedding");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("backbone.layers", i)).norm("norm", 48);
    m.add("mixer.dt_bias", {6}, "Mamba2Mixer")
        .add("mixer.A_log", {6}, "Mamba2Mixer")
        .add("mixer.D", {6}, "Mamba2Mixer");
    m.add("mixer.conv1d.weight", {128, 1, 4}, "Conv1d").add("mixer.conv1d.bias", {128}, "Conv1d");
    m.linear("mixer.in_proj", 96 + 128 + 6, 48).norm("mixer.norm", 96).linear("mixer.out_proj", 48, 96);
  }
  m.under("").norm("backbone.norm_f", 48).linear("lm_head", 1000, 48);
  return m.list();
}

/// Convolutions under norms of groups, steps embedded by two maps, cross attention to a text, gated feed-forwards.
inline std::vector<ParameterInfo> diffusion_unet_like() {
  Model m;
  const auto conv = [&](const std::string& name, std::int64_t out, std::int64_t in, std::int64_t k = 3) {
    m.add(name + ".weight", {out, in, k, k}, "Conv2d").add(name + ".bias", {out}, "Conv2d");
  };
  const auto group_norm = [&](const std::string& name, std::int64_t n) {
    m.add(name + ".weight", {n}, "GroupNorm").add(name + ".bias", {n}, "GroupNorm");
  };
  conv("conv_in", 32, 4);
  m.linear("time_embedding.linear_1", 128, 32, true).linear("time_embedding.linear_2", 128, 128, true);
  const auto resnet = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    group_norm(name + ".norm1", in);
    conv(name + ".conv1", out, in);
    m.linear(name + ".time_emb_proj", out, 128, true);
    group_norm(name + ".norm2", out);
    conv(name + ".conv2", out, out);
    if (in != out) conv(name + ".conv_shortcut", out, in, 1);
  };
  const auto attention = [&](const std::string& name, std::int64_t d) {
    group_norm(name + ".norm", d);
    conv(name + ".proj_in", d, d, 1);
    const auto block = name + ".transformer_blocks.0";
    for (const char* kind : {"attn1", "attn2"}) {
      const auto a = block + "." + kind;
      const std::int64_t from = kind == std::string("attn1") ? d : 48;
      m.norm(block + (from == d ? ".norm1" : ".norm2"), d, true);
      m.linear(a + ".to_q", d, d).linear(a + ".to_k", d, from).linear(a + ".to_v", d, from);
      m.linear(a + ".to_out.0", d, d, true);
    }
    m.norm(block + ".norm3", d, true);
    m.linear(block + ".ff.net.0.proj", 8 * d, d, true).linear(block + ".ff.net.2", d, 4 * d, true);
    conv(name + ".proj_out", d, d, 1);
  };
  resnet("down_blocks.0.resnets.0", 32, 32);
  attention("down_blocks.0.attentions.0", 32);
  conv("down_blocks.0.downsamplers.0.conv", 32, 32);
  resnet("down_blocks.1.resnets.0", 32, 64);
  attention("down_blocks.1.attentions.0", 64);
  resnet("mid_block.resnets.0", 64, 64);
  resnet("up_blocks.0.resnets.0", 128, 64);
  attention("up_blocks.0.attentions.0", 64);
  conv("up_blocks.0.upsamplers.0.conv", 64, 64);
  resnet("up_blocks.1.resnets.0", 96, 32);
  group_norm("conv_norm_out", 32);
  conv("conv_out", 4, 32);
  return m.list();
}

/// Transformer blocks steered by one map that makes six vectors a block.
inline std::vector<ParameterInfo> adaptive_norm_like() {
  Model m;
  m.add("pos_embed", {1, 256, 48}, "DiT");
  m.add("x_embedder.proj.weight", {48, 4, 2, 2}, "Conv2d").add("x_embedder.proj.bias", {48}, "Conv2d");
  m.linear("t_embedder.mlp.0", 48, 256, true).linear("t_embedder.mlp.2", 48, 48, true);
  m.add("y_embedder.embedding_table.weight", {1001, 48}, "Embedding");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("blocks", i)).linear("attn.qkv", 144, 48, true).linear("attn.proj", 48, 48, true);
    m.linear("mlp.fc1", 192, 48, true).linear("mlp.fc2", 48, 192, true);
    m.linear("adaLN_modulation.1", 288, 48, true);
  }
  m.under("").linear("final_layer.linear", 32, 48, true).linear("final_layer.adaLN_modulation.1", 96, 48, true);
  return m.list();
}

/// Bags of embeddings beside two plain stacks.
inline std::vector<ParameterInfo> recommender_like() {
  Model m;
  for (int i = 0; i < 3; ++i) m.add("emb_l." + std::to_string(i) + ".weight", {200 + 100 * i, 16}, "EmbeddingBag");
  m.linear("bot_l.0", 64, 13, true).linear("bot_l.2", 32, 64, true).linear("bot_l.4", 16, 32, true);
  m.linear("top_l.0", 64, 22, true).linear("top_l.2", 32, 64, true).linear("top_l.4", 1, 32, true);
  return m.list();
}

/// Graph layers in a list; the last one makes the classes.
inline std::vector<ParameterInfo> graph_like() {
  Model m;
  m.add("node_emb.weight", {500, 32}, "Embedding");
  for (int i = 0; i < 3; ++i) {
    m.under(layer("convs", i)).linear("lin_l", i == 2 ? 7 : 64, i == 0 ? 32 : 64, true);
    m.linear("lin_r", i == 2 ? 7 : 64, i == 0 ? 32 : 64);
    m.add("att", {1, 4, 16}, "GATConv");
    if (i < 2)
      m.under(layer("norms", i)).add("module.weight", {64}, "BatchNorm1d").add("module.bias", {64}, "BatchNorm1d");
  }
  return m.list();
}

/// torch's own encoder and decoder layers.
inline std::vector<ParameterInfo> torch_transformer_like() {
  Model m;
  m.add("embed.weight", {1000, 64}, "Embedding");
  const auto attention = [&](const std::string& name) {
    m.add(name + ".in_proj_weight", {192, 64}, "MultiheadAttention")
        .add(name + ".in_proj_bias", {192}, "MultiheadAttention");
    m.add(name + ".out_proj.weight", {64, 64}, "NonDynamicallyQuantizableLinear");
    m.add(name + ".out_proj.bias", {64}, "NonDynamicallyQuantizableLinear");
  };
  for (const char* stack : {"transformer.encoder.layers", "transformer.decoder.layers"}) {
    for (int i = 0; i < 2; ++i) {
      m.under(layer(stack, i));
      attention("self_attn");
      if (stack != std::string("transformer.encoder.layers")) attention("multihead_attn");
      m.linear("linear1", 256, 64, true)
          .linear("linear2", 64, 256, true)
          .norm("norm1", 64, true)
          .norm("norm2", 64, true);
    }
  }
  m.under("").linear("generator", 1000, 64, true);
  return m.list();
}

/// A bidirectional recurrent encoder of two layers, and one whose hidden state is projected.
inline std::vector<ParameterInfo> recurrent_like() {
  Model m;
  m.add("embed.weight", {1000, 32}, "Embedding");
  for (const char* end : {"_l0", "_l0_reverse", "_l1", "_l1_reverse"}) {
    const std::string e = end;
    m.add("encoder.weight_ih" + e, {144, e.find("l0") != std::string::npos ? 32 : 96}, "GRU");
    m.add("encoder.weight_hh" + e, {144, 48}, "GRU").add("encoder.bias_ih" + e, {144}, "GRU");
    m.add("encoder.bias_hh" + e, {144}, "GRU");
  }
  m.add("decoder.weight_ih_l0", {320, 96}, "LSTM").add("decoder.weight_hh_l0", {320, 40}, "LSTM");
  m.add("decoder.bias_ih_l0", {320}, "LSTM").add("decoder.bias_hh_l0", {320}, "LSTM");
  m.add("decoder.weight_hr_l0", {40, 80}, "LSTM");
  m.linear("joiner.output_linear", 1000, 40, true);
  return m.list();
}

/// A detector: a backbone, queries that are looked up, heads whose names say "embed".
inline std::vector<ParameterInfo> detector_like() {
  Model m;
  m.add("backbone.body.conv1.weight", {32, 3, 7, 7}, "Conv2d");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("backbone.body.layer1", i)).add("conv1.weight", {32, 32, 3, 3}, "Conv2d");
    m.add("bn1.weight", {32}, "FrozenBatchNorm2d").add("bn1.bias", {32}, "FrozenBatchNorm2d");
  }
  m.under("").add("input_proj.weight", {64, 32, 1, 1}, "Conv2d").add("input_proj.bias", {64}, "Conv2d");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("transformer.layers", i));
    for (const char* map : {"q_proj", "k_proj", "v_proj", "out_proj"})
      m.linear(std::string("self_attn.") + map, 64, 64, true);
    m.linear("fc1", 128, 64, true).linear("fc2", 64, 128, true).norm("norm1", 64, true);
  }
  m.under("").add("query_embed.weight", {100, 64}, "Embedding");
  m.linear("class_embed", 92, 64, true);
  m.linear("bbox_embed.layers.0", 64, 64, true).linear("bbox_embed.layers.1", 64, 64, true);
  m.linear("bbox_embed.layers.2", 4, 64, true);
  return m.list();
}

/// A learned array that attends to its inputs.
inline std::vector<ParameterInfo> perceiver_like() {
  Model m;
  m.add("input_preprocessor.embeddings.weight", {262, 48}, "Embedding");
  m.add("input_preprocessor.position_embeddings.weight", {128, 48}, "Embedding");
  m.add("embeddings.latents", {32, 64}, "PerceiverEmbeddings");
  const auto attend = [&](const std::string& name, std::int64_t from) {
    m.norm(name + ".layernorm1", 64, true).norm(name + ".layernorm2", from, true);
    m.linear(name + ".query", 64, 64, true)
        .linear(name + ".key", 64, from, true)
        .linear(name + ".value", 64, from, true);
    m.linear(name + ".output.dense", 64, 64, true);
    m.linear(name + ".mlp.dense1", 128, 64, true).linear(name + ".mlp.dense2", 64, 128, true);
  };
  attend("encoder.cross_attention", 48);
  for (int i = 0; i < 2; ++i) attend("encoder.self_attends." + std::to_string(i), 64);
  m.linear("decoder.final_layer", 262, 64, true);
  return m.list();
}

/// Windows with tables of relative positions, maps that shrink the grid.
inline std::vector<ParameterInfo> window_attention_like() {
  Model m;
  m.add("patch_embed.proj.weight", {32, 3, 4, 4}, "Conv2d").add("patch_embed.proj.bias", {32}, "Conv2d");
  m.norm("patch_embed.norm", 32, true);
  for (int s = 0; s < 2; ++s) {
    const std::int64_t d = 32 << s;
    const auto stage = layer("layers", s);
    for (int i = 0; i < 2; ++i) {
      m.under(stage + "blocks." + std::to_string(i) + ".").norm("norm1", d, true).norm("norm2", d, true);
      m.add("attn.relative_position_bias_table", {169, 4}, "WindowAttention");
      m.linear("attn.qkv", 3 * d, d, true).linear("attn.proj", d, d, true);
      m.linear("mlp.fc1", 4 * d, d, true).linear("mlp.fc2", d, 4 * d, true);
    }
    m.under(stage);
    if (s == 0) m.linear("downsample.reduction", 64, 128).norm("downsample.norm", 128, true);
  }
  m.under("").norm("norm", 64, true).linear("head", 1000, 64, true);
  return m.list();
}

/// Speech: convolutions over the raw wave, a convolution for positions, layers with a depthwise one.
inline std::vector<ParameterInfo> speech_encoder_like() {
  Model m;
  for (int i = 0; i < 3; ++i) {
    m.under(layer("feature_extractor.conv_layers", i));
    m.add("conv.weight", {32, i == 0 ? 1 : 32, i == 0 ? 10 : 3}, "Conv1d");
    m.add("layer_norm.weight", {32}, "GroupNorm").add("layer_norm.bias", {32}, "GroupNorm");
  }
  m.under("").norm("feature_projection.layer_norm", 32, true).linear("feature_projection.projection", 48, 32, true);
  for (int i = 0; i < 2; ++i) {
    m.under(layer("encoder.layers", i));
    m.add("self_attn.pos_bias_u", {4, 12}, "RelPositionMultiHeadAttention");
    for (const char* map : {"linear_q", "linear_k", "linear_v", "linear_out"})
      m.linear(std::string("self_attn.") + map, 48, 48, true);
    m.add("conv_module.pointwise_conv1.weight", {96, 48, 1}, "Conv1d");
    m.add("conv_module.depthwise_conv.weight", {48, 1, 31}, "Conv1d");
    m.add("conv_module.pointwise_conv2.weight", {48, 48, 1}, "Conv1d");
    m.linear("feed_forward.intermediate_dense", 192, 48, true).linear("feed_forward.output_dense", 48, 192, true);
    m.norm("final_layer_norm", 48, true);
  }
  m.under("").linear("lm_head", 32, 48, true);
  return m.list();
}

/// Fused maps that no word names: three in one, two in one.
inline std::vector<ParameterInfo> unnamed_fusion_like() {
  Model m;
  m.add("transformer.wte.weight", {1000, 64}, "Embedding");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("transformer.blocks", i)).linear("att_proj", 192, 64).linear("attn_out", 64, 64);
    m.linear("ff_proj", 352, 64).linear("ff_out", 64, 176).norm("attn_norm", 64).norm("ff_norm", 64);
  }
  m.under("").norm("transformer.ln_f", 64).linear("transformer.ff_out", 1000, 64);
  return m.list();
}

}  // namespace switchyard::test
