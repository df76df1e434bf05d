#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/test_registry.h"

/// Parameter lists in the style of many architectures, small, with module types. What they look like is copied from the
/// ways in which common libraries name and store things; no model is meant.
namespace switchyard::test {

class Model {
 public:
  Model& add(const std::string& name, std::vector<std::int64_t> shape, const std::string& module) {
    list_.push_back(parameter(prefix_ + name, std::move(shape), module));
    return *this;
  }
  Model& under(std::string prefix) {
    prefix_ = std::move(prefix);
    return *this;
  }
  Model& linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias = false) {
    add(name + ".weight", {out, in}, "Linear");
    return bias ? add(name + ".bias", {out}, "Linear") : *this;
  }
  Model& conv1d(const std::string& name, std::int64_t in, std::int64_t out) {
    return add(name + ".weight", {in, out}, "Conv1D").add(name + ".bias", {out}, "Conv1D");
  }
  Model& norm(const std::string& name, std::int64_t d, bool bias = false) {
    add(name + ".weight", {d}, "LayerNorm");
    return bias ? add(name + ".bias", {d}, "LayerNorm") : *this;
  }
  Model& tie(const std::string& name) {
    list_.back().names.push_back(name);
    return *this;
  }
  Model& freeze() {
    list_.back().requires_grad = false;
    return *this;
  }
  std::vector<ParameterInfo> list() const { return list_; }

 private:
  std::string prefix_;
  std::vector<ParameterInfo> list_;
};

inline std::string layer(const char* stack, int i) { return std::string(stack) + "." + std::to_string(i) + "."; }

/// Attention with separate projections, grouped keys, a gated feed-forward.
inline std::vector<ParameterInfo> llama_like() {
  Model m;
  m.add("model.embed_tokens.weight", {1000, 64}, "Embedding");
  for (int i = 0; i < 12; ++i) {
    m.under(layer("model.layers", i));
    m.linear("self_attn.q_proj", 64, 64).linear("self_attn.k_proj", 16, 64).linear("self_attn.v_proj", 16, 64);
    m.linear("self_attn.o_proj", 64, 64);
    m.linear("mlp.gate_proj", 176, 64).linear("mlp.up_proj", 176, 64).linear("mlp.down_proj", 64, 176);
    m.norm("input_layernorm", 64).norm("post_attention_layernorm", 64);
  }
  m.under("").norm("model.norm", 64).linear("lm_head", 1000, 64);
  return m.list();
}

/// Fused projections with names that spell their order: qkv_proj with fewer keys, gate_up_proj.
inline std::vector<ParameterInfo> fused_llama_like() {
  Model m;
  m.add("model.embed_tokens.weight", {1000, 64}, "Embedding");
  for (int i = 0; i < 3; ++i) {
    m.under(layer("model.layers", i));
    m.linear("self_attn.o_proj", 64, 64).linear("self_attn.qkv_proj", 96, 64);
    m.linear("mlp.gate_up_proj", 320, 64).linear("mlp.down_proj", 64, 160);
    m.norm("input_layernorm", 64).norm("post_attention_layernorm", 64);
  }
  m.under("").norm("model.norm", 64).linear("lm_head", 1000, 64);
  return m.list();
}

/// Query, key and value head by head in one matrix, as the shapes cannot show.
inline std::vector<ParameterInfo> neox_like() {
  Model m;
  m.add("gpt_neox.embed_in.weight", {1000, 64}, "Embedding");
  for (int i = 0; i < 3; ++i) {
    m.under(layer("gpt_neox.layers", i));
    m.norm("input_layernorm", 64, true).norm("post_attention_layernorm", 64, true);
    m.linear("attention.query_key_value", 192, 64, true).linear("attention.dense", 64, 64, true);
    m.linear("mlp.dense_h_to_4h", 256, 64, true).linear("mlp.dense_4h_to_h", 64, 256, true);
  }
  m.under("").norm("gpt_neox.final_layer_norm", 64, true).linear("embed_out", 1000, 64);
  return m.list();
}

/// Batches of experts; `in_out` stores them [E, in, out], with biases [E, out].
inline std::vector<ParameterInfo> moe_like(bool in_out, const std::string& module, const char* router = "gate",
                                           bool bias = false) {
  const auto stored = [&](std::int64_t out, std::int64_t in) {
    return in_out ? std::vector<std::int64_t>{4, in, out} : std::vector<std::int64_t>{4, out, in};
  };
  Model m;
  m.add("model.embed_tokens.weight", {1000, 64}, "Embedding");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("model.layers", i));
    m.linear("self_attn.q_proj", 64, 64).linear("self_attn.o_proj", 64, 64);
    m.linear(std::string("mlp.") + router, 4, 64, bias);
    m.add("mlp.experts.gate_up_proj", stored(192, 64), module);
    if (bias) m.add("mlp.experts.gate_up_proj_bias", {4, 192}, module);
    m.add("mlp.experts.down_proj", stored(64, 96), module);
    if (bias) m.add("mlp.experts.down_proj_bias", {4, 64}, module);
    m.linear("mlp.shared_expert.gate_proj", 96, 64).linear("mlp.shared_expert.up_proj", 96, 64);
    m.linear("mlp.shared_expert.down_proj", 64, 96).linear("mlp.shared_expert_gate", 1, 64);
    m.norm("input_layernorm", 64).norm("post_attention_layernorm", 64);
  }
  m.under("").norm("model.norm", 64).linear("lm_head", 1000, 64);
  return m.list();
}

/// A list of experts of one matrix each, and a router that no word names.
inline std::vector<ParameterInfo> listed_moe_like() {
  Model m;
  m.add("embedding.weight", {1000, 64}, "Embedding");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("blocks", i)).linear("ffn.scores", 8, 64);
    for (int e = 0; e < 8; ++e) {
      const auto expert = "ffn.members." + std::to_string(e);
      m.linear(expert + ".w1", 96, 64).linear(expert + ".w2", 64, 96).linear(expert + ".w3", 96, 64);
    }
    m.norm("norm", 64);
  }
  m.under("").norm("norm", 64).linear("head", 1000, 64);
  return m.list();
}

inline std::vector<ParameterInfo> mamba_like() {
  Model m;
  m.add("backbone.embedding.weight", {1000, 48}, "Embedding").tie("lm_head.weight");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("backbone.layers", i));
    m.add("mixer.A_log", {96, 16}, "MambaMixer").add("mixer.D", {96}, "MambaMixer");
    m.add("mixer.conv1d.weight", {96, 1, 4}, "Conv1d").add("mixer.conv1d.bias", {96}, "Conv1d");
    m.linear("mixer.in_proj", 192, 48).linear("mixer.x_proj", 35, 96).linear("mixer.dt_proj", 96, 3, true);
    m.linear("mixer.out_proj", 48, 96).norm("norm", 48);
  }
  m.under("").norm("backbone.norm_f", 48);
  return m.list();
}

inline std::vector<ParameterInfo> rwkv_like() {
  Model m;
  m.add("rwkv.embeddings.weight", {1000, 64}, "Embedding");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("rwkv.blocks", i)).norm("ln1", 64, true).norm("ln2", 64, true);
    m.add("attention.time_decay", {4, 16}, "SelfAttention").add("attention.time_faaaa", {4, 16}, "SelfAttention");
    m.add("attention.time_mix_key", {1, 1, 64}, "SelfAttention");
    m.add("attention.time_maa_w1", {64, 20}, "SelfAttention").add("attention.time_maa_w2", {5, 4, 64}, "SelfAttention");
    m.linear("attention.receptance", 64, 64).linear("attention.key", 64, 64).linear("attention.value", 64, 64);
    m.linear("attention.output", 64, 64);
    m.linear("feed_forward.key", 224, 64).linear("feed_forward.receptance", 64, 64);
    m.linear("feed_forward.value", 64, 224);
  }
  m.under("").norm("rwkv.ln_out", 64, true).linear("head", 1000, 64);
  return m.list();
}

/// Adapters beside frozen matrices, named in one half and only placed so in the other.
inline std::vector<ParameterInfo> lora_like() {
  Model m;
  m.add("base.embed.weight", {1000, 64}, "Embedding").freeze();
  for (int i = 0; i < 2; ++i) {
    m.under(layer("base.layers", i));
    m.add("q_proj.base_layer.weight", {64, 64}, "Linear").freeze();
    m.add("q_proj.lora_A.default.weight", {8, 64}, "Linear").add("q_proj.lora_B.default.weight", {64, 8}, "Linear");
    m.add("v_proj.weight", {64, 64}, "Linear").freeze();
    m.add("v_proj.shrink.weight", {8, 64}, "Linear").add("v_proj.grow.weight", {64, 8}, "Linear");
    m.linear("fresh.up", 256, 64).linear("fresh.down", 64, 256).norm("norm", 64);
  }
  return m.list();
}

inline std::vector<ParameterInfo> convnext_like() {
  Model m;
  m.add("stem.0.weight", {24, 3, 4, 4}, "Conv2d").add("stem.0.bias", {24}, "Conv2d").norm("stem.1", 24, true);
  for (int s = 0; s < 2; ++s) {
    const std::int64_t d = 24 << s;
    const auto stage = layer("stages", s);
    m.under(stage);
    if (s > 0) m.norm("downsample.0", d / 2, true).add("downsample.1.weight", {d, d / 2, 2, 2}, "Conv2d");
    for (int i = 0; i < 2; ++i) {
      m.under(stage + "blocks." + std::to_string(i) + ".").add("gamma", {d}, "ConvNeXtBlock");
      m.add("conv_dw.weight", {d, 1, 7, 7}, "Conv2d").norm("norm", d, true);
      m.linear("mlp.fc1", 4 * d, d, true).linear("mlp.fc2", d, 4 * d, true);
    }
  }
  m.under("").norm("head.norm", 48, true).linear("head.fc", 1000, 48, true);
  return m.list();
}

inline std::vector<ParameterInfo> vit_like() {
  Model m;
  m.add("cls_token", {1, 1, 64}, "VisionTransformer").add("pos_embed", {1, 197, 64}, "VisionTransformer");
  m.add("patch_embed.proj.weight", {64, 3, 16, 16}, "Conv2d").add("patch_embed.proj.bias", {64}, "Conv2d");
  for (int i = 0; i < 3; ++i) {
    m.under(layer("blocks", i)).norm("norm1", 64, true).norm("norm2", 64, true);
    m.linear("attn.qkv", 192, 64, true).linear("attn.proj", 64, 64, true);
    m.linear("mlp.fc1", 256, 64, true).linear("mlp.fc2", 64, 256, true);
  }
  m.under("").norm("norm", 64, true).linear("head", 1000, 64, true);
  return m.list();
}

/// Two convolutions over 80 channels of sound, two stacks, a tied head and fixed positions.
inline std::vector<ParameterInfo> whisper_like() {
  Model m;
  m.add("model.encoder.conv1.weight", {64, 80, 3}, "Conv1d").add("model.encoder.conv1.bias", {64}, "Conv1d");
  m.add("model.encoder.conv2.weight", {64, 64, 3}, "Conv1d").add("model.encoder.conv2.bias", {64}, "Conv1d");
  m.add("model.encoder.embed_positions.weight", {150, 64}, "Embedding").freeze();
  const auto block = [&](const char* attention) {
    const std::string a = attention;
    m.linear(a + ".k_proj", 64, 64).linear(a + ".v_proj", 64, 64, true).linear(a + ".q_proj", 64, 64, true);
    m.linear(a + ".out_proj", 64, 64, true);
  };
  for (int i = 0; i < 2; ++i) {
    m.under(layer("model.encoder.layers", i));
    block("self_attn");
    m.linear("fc1", 256, 64, true).linear("fc2", 64, 256, true).norm("final_layer_norm", 64, true);
  }
  m.under("").norm("model.encoder.layer_norm", 64, true);
  m.add("model.decoder.embed_tokens.weight", {1000, 64}, "Embedding").tie("proj_out.weight");
  m.add("model.decoder.embed_positions.weight", {44, 64}, "LearnedPositionalEmbedding");
  for (int i = 0; i < 2; ++i) {
    m.under(layer("model.decoder.layers", i));
    block("self_attn");
    block("encoder_attn");
    m.linear("fc1", 256, 64, true).linear("fc2", 64, 256, true).norm("final_layer_norm", 64, true);
  }
  return m.list();
}

/// Relative positions in the first layer only; one table under four names.
inline std::vector<ParameterInfo> t5_like() {
  Model m;
  m.add("shared.weight", {1000, 64}, "Embedding").tie("encoder.embed_tokens.weight").tie("decoder.embed_tokens.weight");
  m.tie("lm_head.weight");
  for (const char* stack : {"encoder", "decoder"}) {
    for (int i = 0; i < 2; ++i) {
      m.under(layer((std::string(stack) + ".block").c_str(), i));
      for (const char* name : {"q", "k", "v", "o"}) m.linear(std::string("layer.0.SelfAttention.") + name, 64, 64);
      if (i == 0) m.add("layer.0.SelfAttention.relative_attention_bias.weight", {32, 8}, "Embedding");
      m.norm("layer.0.layer_norm", 64);
      m.linear("layer.1.DenseReluDense.wi", 256, 64).linear("layer.1.DenseReluDense.wo", 64, 256);
      m.norm("layer.1.layer_norm", 64);
    }
    m.under("").norm(std::string(stack) + ".final_layer_norm", 64);
  }
  return m.list();
}

/// A convolutional network with groups, and one that upsamples to an image.
inline std::vector<ParameterInfo> resnext_like() {
  Model m;
  const auto bn = [&](const std::string& name, std::int64_t n) {
    m.add(name + ".weight", {n}, "BatchNorm2d").add(name + ".bias", {n}, "BatchNorm2d");
  };
  m.add("conv1.weight", {64, 3, 7, 7}, "Conv2d");
  bn("bn1", 64);
  for (int i = 0; i < 2; ++i) {
    m.under(layer("layer1", i)).add("conv1.weight", {128, i == 0 ? 64 : 256, 1, 1}, "Conv2d");
    bn("bn1", 128);
    m.add("conv2.weight", {128, 4, 3, 3}, "Conv2d");
    bn("bn2", 128);
    m.add("conv3.weight", {256, 128, 1, 1}, "Conv2d");
    bn("bn3", 256);
  }
  m.under("").linear("fc", 10, 256, true);
  return m.list();
}

inline std::vector<ParameterInfo> unet_like() {
  Model m;
  const auto conv = [&](const std::string& name, std::vector<std::int64_t> shape, const char* module = "Conv2d") {
    const auto bias = module == std::string("Conv2d") ? shape[0] : shape[1];
    m.add(name + ".weight", std::move(shape), module).add(name + ".bias", {bias}, module);
  };
  conv("inc.conv", {32, 1, 3, 3});
  conv("down.conv", {64, 32, 3, 3});
  conv("up.up", {64, 32, 2, 2}, "ConvTranspose2d");
  conv("up.conv", {32, 64, 3, 3});
  conv("outc.conv", {2, 32, 1, 1});
  return m.list();
}

inline std::vector<ParameterInfo> lstm_like() {
  Model m;
  m.add("embed.weight", {1000, 32}, "Embedding");
  m.add("rnn.weight_ih_l0", {256, 32}, "LSTM").add("rnn.weight_hh_l0", {256, 64}, "LSTM");
  m.add("rnn.bias_ih_l0", {256}, "LSTM").add("rnn.bias_hh_l0", {256}, "LSTM");
  m.linear("out", 1000, 64, true);
  return m.list();
}

/// The same without module types, as a safetensors file has it.
inline std::vector<ParameterInfo> untyped(std::vector<ParameterInfo> list) {
  for (auto& info : list) info.module.clear();
  return list;
}
/// ... and in the order of the names.
inline std::vector<ParameterInfo> sorted(std::vector<ParameterInfo> list) {
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name() < b.name(); });
  return list;
}

}  // namespace switchyard::test
