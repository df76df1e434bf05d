#include "rules/roles_words.h"

#include <algorithm>

namespace switchyard {

namespace {

const std::set<std::string> position_words = {"pos", "position", "positions", "positional", "wpe", "relative", "rel"};
const std::set<std::string> decay_words = {"decay", "alog", "forget", "timescale"};
const std::set<std::string> map_words = {"proj", "projection", "linear", "dense", "fc",
                                         "fc1",  "fc2",        "key",    "query", "value"};

}  // namespace

const std::set<std::string> embedding_words = {"embed", "embedding", "embeddings", "embeds", "emb",
                                               "embd",  "wte",       "tok",        "token",  "tokens",
                                               "vocab", "codebook",  "codebooks",  "lookup"};
const std::set<std::string> head_words = {"head",   "lm",      "classifier",  "logits",     "score",   "unembed",
                                          "output", "outputs", "predictions", "prediction", "decoder", "fc"};
const std::set<std::string> adapter_words = {"lora", "adapter", "adapters", "dora", "vera", "ia3"};
const std::set<std::string> router_words = {"router", "gate", "gating", "wg"};

bool contains(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }

bool is_linear(const std::string& module) {
  const std::string ending = "Linear";
  return module.size() >= ending.size() && module != "Bilinear" && module != "LazyBilinear" &&
         module.compare(module.size() - ending.size(), ending.size(), ending) == 0;
}
bool is_conv(const std::string& module) {
  return contains(module, "Conv1d") || contains(module, "Conv2d") || contains(module, "Conv3d") ||
         contains(module, "ConvTranspose");
}
bool is_norm(const OutlineEntry& entry) {
  return contains(entry.info->module, "Norm") || has_word(entry.own, {"norm", "layernorm", "ln", "rmsnorm", "bn"});
}

bool looks_like_conv(const OutlineEntry& entry) {
  if (entry.ndim() < 3 || entry.bare || entry.leaf == "bias") return false;
  if (!entry.info->module.empty()) return is_conv(entry.info->module);
  if (entry.ndim() > 3) return true;
  return entry.size(1) == 1 || has_word(entry.own, {"conv", "conv1d", "conv1", "conv2", "downsample"}) ||
         (entry.size(2) <= 16 && entry.size(0) > entry.size(2) && entry.size(1) > entry.size(2));
}

bool is_table(const OutlineEntry& entry) {
  const auto& module = entry.info->module;
  if (contains(module, "Embedding") && !entry.bare) return true;
  // A table in a list ("embeddings.3.weight") is called as the list is.
  const auto count = entry.segments.size();
  const bool listed = count >= 3 && entry.own.find_first_not_of("0123456789") == std::string::npos;
  const auto& own = listed && !entry.bare ? entry.segments[count - 3] : entry.own;
  return module.empty() && has_word(own, embedding_words) && !has_word(own, map_words);
}
bool named_position(const OutlineEntry& entry) {
  return (has_word(entry.own, position_words) || contains(entry.info->module, "Position")) &&
         !is_linear(entry.info->module) && !has_word(entry.own, map_words);
}

bool has_any_word(const OutlineEntry& entry, const std::set<std::string>& words) {
  return std::any_of(entry.segments.begin(), entry.segments.end(),
                     [&](const std::string& segment) { return has_word(segment, words); });
}
bool decays(const OutlineEntry& entry) {
  return has_word(entry.leaf, decay_words) || entry.leaf == "A_log" || entry.leaf == "A_logs" || entry.leaf == "Ds" ||
         entry.leaf == "A" || has_word(entry.leaf, {"time"});
}

bool torch_weight(const std::string& leaf) {
  const std::string ending = "_weight";
  return leaf.rfind("weight_ih", 0) == 0 || leaf.rfind("weight_hh", 0) == 0 || leaf.rfind("weight_hr", 0) == 0 ||
         (leaf.size() > ending.size() && leaf.compare(leaf.size() - ending.size(), ending.size(), ending) == 0);
}

}  // namespace switchyard
