#include "rules/roles.h"

#include <fmt/format.h>

#include <algorithm>

#include "rules/outline.h"
#include "rules/roles_fused.h"

namespace switchyard {

namespace {

bool contains(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }

bool is_linear(const std::string& module) {
  const std::string ending = "Linear";
  return module.size() >= ending.size() && module != "Bilinear" && module != "LazyBilinear" &&
         module.compare(module.size() - ending.size(), ending.size(), ending) == 0;
}
/// Conv1d, Conv2dSame, ScaledStdConv2d; not transformers' Conv1D, which is a linear map.
bool is_conv(const std::string& module) {
  return contains(module, "Conv1d") || contains(module, "Conv2d") || contains(module, "Conv3d") ||
         contains(module, "ConvTranspose");
}
bool is_norm(const OutlineEntry& entry) {
  return contains(entry.info->module, "Norm") || has_word(entry.own, {"norm", "layernorm", "ln", "rmsnorm", "bn"});
}

const std::set<std::string> position_words = {"pos", "position", "positions", "positional", "wpe", "relative", "rel"};
const std::set<std::string> embedding_words = {"embed", "embedding", "embeddings", "embeds", "emb",      "embd",  "wte",
                                               "tok",   "token",     "tokens",     "vocab",  "codebook", "lookup"};
const std::set<std::string> head_words = {"head",   "lm",      "classifier",  "logits",     "score",   "unembed",
                                          "output", "outputs", "predictions", "prediction", "decoder", "fc"};
const std::set<std::string> adapter_words = {"lora", "adapter", "adapters", "dora", "vera", "ia3"};
const std::set<std::string> decay_words = {"decay", "alog", "forget", "timescale"};
const std::set<std::string> router_words = {"router", "gate", "gating", "wg"};
const std::set<std::string> map_words = {"proj", "projection", "linear", "dense", "fc",
                                         "fc1",  "fc2",        "key",    "query", "value"};

class Classifier {
 public:
  Classifier(const ParameterTable& table, const HeadCounts& heads) : outline_(table), heads_(heads) {
    find_storage();
    find_first_conv();
    find_last_matrix();
  }

  std::vector<ParameterRole> run() {
    std::vector<ParameterRole> out;
    for (const auto& entry : outline_.entries()) {
      role_ = ParameterRole();
      decide(entry);
      out.push_back(std::move(role_));
    }
    return out;
  }

 private:
  void say(Role role, std::string reason) {
    role_.role = role;
    role_.reason = std::move(reason);
  }
  void orient(std::vector<int> out, std::vector<int> in) {
    role_.oriented = true;
    role_.out = std::move(out);
    role_.in = std::move(in);
  }

  /// +1: the outputs are axis 0, -1: axis 1, 0: the bias does not show it (or there is none).
  int bias_says(const OutlineEntry& entry) const {
    const auto* bias = outline_.bias_of(entry);
    if (bias == nullptr || bias->ndim() != 1 || entry.size(0) == entry.size(1)) return 0;
    return bias->size(0) == entry.size(0) ? 1 : bias->size(0) == entry.size(1) ? -1 : 0;
  }

  /// Files without module types: whether matrices are stored [out, in] or [in, out], by their biases.
  void find_storage() {
    for (const auto& entry : outline_.entries()) {
      if (entry.ndim() == 2 && entry.info->module.empty() && !entry.bare && entry.leaf == "weight") {
        votes_[entry.layer] += bias_says(entry);
        votes_["*"] += bias_says(entry);
      }
    }
  }

  void find_first_conv() {
    for (const auto& entry : outline_.entries()) {
      if (looks_like_conv(entry)) {
        if (outline_.ordered()) first_conv_ = entry.info;
        return;
      }
    }
  }

  void find_last_matrix() {
    if (!outline_.ordered()) return;
    for (const auto& entry : outline_.entries()) {
      if (entry.ndim() >= 2 && entry.leaf != "bias") last_matrix_ = entry.info;
      // A lookup table that is a head too: nothing else is the last matrix.
      if (entry.info->tied() && entry.ndim() == 2 && is_table(entry)) tied_head_ = true;
    }
  }

  static bool looks_like_conv(const OutlineEntry& entry) {
    if (entry.ndim() < 3 || entry.bare || entry.leaf == "bias") return false;
    if (!entry.info->module.empty()) return is_conv(entry.info->module);
    if (entry.ndim() > 3) return true;
    return entry.size(1) == 1 || has_word(entry.own, {"conv", "conv1d", "conv1", "conv2", "downsample"}) ||
           (entry.size(2) <= 16 && entry.size(0) > entry.size(2) && entry.size(1) > entry.size(2));
  }

  /// A lookup table by module type, or by its name where there are no module types.
  static bool is_table(const OutlineEntry& entry) {
    const auto& module = entry.info->module;
    if (contains(module, "Embedding") && !entry.bare) return true;
    return module.empty() && has_word(entry.own, embedding_words) && !has_word(entry.own, map_words);
  }
  static bool named_position(const OutlineEntry& entry) {
    return (has_word(entry.own, position_words) || contains(entry.info->module, "Position")) &&
           !is_linear(entry.info->module) && !has_word(entry.own, map_words);
  }

  void decide(const OutlineEntry& entry) {
    const auto& shape = entry.info->shape;
    if (entry.ndim() <= 1) return vector(entry);
    const auto ones = std::count(shape.begin(), shape.end(), 1);
    if (ones + 1 >= static_cast<std::int64_t>(shape.size())) {
      if (entry.ndim() == 2 && !entry.bare) {
        return say(Role::single_row, "one row or column: orthogonalizing a vector only normalizes it");
      }
      return say(Role::vector, "all axes but one have size 1: a vector");
    }
    if (has_any_word(entry, adapter_words)) {
      return say(Role::adapter,
                 "a low-rank adapter by its name: orthogonalizing one factor changes the scale of the product");
    }
    if (entry.leaf == "bias" || has_word(entry.leaf, {"bias"})) {
      if (named_position(entry)) return say(Role::position_table, "a table of relative positions by its name");
      return say(Role::bias, "stacked biases: each row is added, none is multiplied with");
    }
    if (low_rank_beside_base(entry)) {
      return say(Role::adapter, "a factor of small rank beside the full matrix that it adapts");
    }
    if (is_norm(entry)) return say(Role::norm_gain, "gains of a norm: they scale element by element");
    if (looks_like_conv(entry)) return convolution(entry);
    if (entry.ndim() == 2) return matrix(entry);
    if (entry.ndim() == 3) return batch(entry);
    say(Role::other, fmt::format("{} axes and no convolution: nothing shows which axes are inputs", entry.ndim()));
  }

  void vector(const OutlineEntry& entry) {
    if (entry.info->numel() == 1) return say(Role::scalar, "one number");
    if (entry.leaf == "bias" || has_word(entry.leaf, {"bias"})) return say(Role::bias, "a bias: it is added");
    if (is_norm(entry)) return say(Role::norm_gain, "gains of a norm: they scale element by element");
    if (decays(entry)) return say(Role::decay_table, "rates of a recurrence");
    say(Role::vector, "one axis");
  }

  static bool has_any_word(const OutlineEntry& entry, const std::set<std::string>& words) {
    return std::any_of(entry.segments.begin(), entry.segments.end(),
                       [&](const std::string& segment) { return has_word(segment, words); });
  }
  static bool decays(const OutlineEntry& entry) {
    return has_word(entry.leaf, decay_words) || entry.leaf == "A_log" || entry.leaf == "A_logs" || entry.leaf == "Ds" ||
           entry.leaf == "A" || has_word(entry.leaf, {"time"});
  }

  /// q_proj.lora_a.weight and q_proj.lora_b.weight beside q_proj.weight, whatever they are called.
  bool low_rank_beside_base(const OutlineEntry& entry) const {
    if (entry.ndim() != 2 || entry.bare) return false;
    auto base = entry.parent;
    for (int level = 0; level < 2 && !base.empty(); ++level) {
      for (const auto* name : {".weight", ".base_layer.weight"}) {
        const auto* full = outline_.find(base + name);
        if (full == nullptr || full->info == entry.info || full->ndim() != 2) continue;
        const auto rank = std::min(entry.size(0), entry.size(1));
        const bool shares = entry.size(0) == full->size(0) || entry.size(1) == full->size(1) ||
                            entry.size(0) == full->size(1) || entry.size(1) == full->size(0);
        if (shares && 2 * rank <= std::min(full->size(0), full->size(1))) return true;
      }
      const auto dot = base.rfind('.');
      base = dot == std::string::npos ? "" : base.substr(0, dot);
    }
    return false;
  }

  // ---- Convolutions: [O, I / groups, k...]; transposed ones [I, O, k...].

  void convolution(const OutlineEntry& entry) {
    const auto& module = entry.info->module;
    const auto outs = entry.size(0);
    const auto ins = entry.size(1);
    std::vector<int> taps;
    for (std::size_t i = 2; i < entry.ndim(); ++i) taps.push_back(static_cast<int>(i));
    const auto* bias = outline_.bias_of(entry);
    const bool transposed = contains(module, "Transpose") ||
                            (module.empty() && bias != nullptr && outs != ins && bias->size(0) == ins && ins > 1);
    if (transposed) {
      std::vector<int> out = {1};
      out.insert(out.end(), taps.begin(), taps.end());
      orient(std::move(out), {0});
      if (ins == 1) return say(Role::depthwise_conv, "a depthwise transposed convolution: one output channel a group");
      return say(Role::dense_conv, "a transposed convolution, stored [in, out, kernel]");
    }
    std::vector<int> in = {1};
    in.insert(in.end(), taps.begin(), taps.end());
    orient({0}, std::move(in));
    const bool first = entry.info == first_conv_ || (!outline_.ordered() && !entry.repeated());
    // The first convolution of a model of one-channel inputs looks depthwise too, but no other layer has its like.
    if (ins == 1 && (!first || alike(entry) > 1)) {
      return say(Role::depthwise_conv, "a depthwise convolution: one input channel a group, so no channels are mixed");
    }
    const auto& channels = outline_.channels();
    if ((first || !entry.repeated()) && (ins <= 4 || channels.count(ins) == 0)) {
      return say(Role::stem_conv,
                 "the convolution that reads the raw input: no layer of the model makes its input channels");
    }
    if (!entry.repeated() && !first && !outline_.consumed(outs)) {
      return say(Role::output_head, "a convolution whose output channels no layer reads: the model's output");
    }
    if (channels.count(ins) == 0 && grouped(entry, ins)) {
      return say(Role::grouped_conv,
                 "a grouped convolution: no layer has as few channels as it reads, and one block would mix groups");
    }
    say(Role::dense_conv, entry.ndim() == 3   ? "a dense convolution, stored [out, in, kernel]"
                          : entry.ndim() == 4 ? "a dense convolution, stored [out, in, height, width]"
                                              : "a dense convolution, stored [out, in, kernel...]");
  }

  /// Tensors of the same shape whose names differ in numbers only.
  int alike(const OutlineEntry& entry) const {
    const auto same = [&](const OutlineEntry& other) {
      return other.info->shape == entry.info->shape && numberless(other) == numberless(entry);
    };
    return static_cast<int>(std::count_if(outline_.entries().begin(), outline_.entries().end(), same));
  }
  static std::string numberless(const OutlineEntry& entry) {
    std::string out;
    for (const auto c : entry.info->name()) {
      if (c < '0' || c > '9') out += c;
    }
    return out;
  }

  bool grouped(const OutlineEntry& entry, std::int64_t ins) const {
    const auto outs = entry.size(0);
    if (outs % ins != 0 && outs > ins) return false;
    const auto& channels = outline_.channels();
    return std::any_of(channels.begin(), channels.end(), [&](std::int64_t count) {
      return count >= 2 * ins && count % ins == 0 && outs % (count / ins) == 0;
    });
  }

  // ---- Two axes.

  void matrix(const OutlineEntry& entry) {
    if (named_position(entry)) return say(Role::position_table, "a table of positions by its name: rows are looked up");
    if (entry.bare && decays(entry))
      return say(Role::decay_table, "a table of rates of a recurrence, held by the block itself");
    if (is_table(entry)) return table(entry);
    if (entry.bare && !torch_weight(entry.leaf)) return bare(entry);
    if (routes(entry)) return say(Role::router, "scores one output an expert: a router");
    find_axes(entry);
    if (!entry.repeated() && !entry.bare && ends_model(entry)) return;
    say(Role::linear, role_.reason);
    find_fusion(outline_, entry, heads_, role_);
  }

  /// in_proj_weight, weight_ih_l0; not weight_g, weight_scale or qweight.
  static bool torch_weight(const std::string& leaf) {
    const std::string ending = "_weight";
    return leaf.rfind("weight_ih", 0) == 0 || leaf.rfind("weight_hh", 0) == 0 ||
           (leaf.size() > ending.size() && leaf.compare(leaf.size() - ending.size(), ending.size(), ending) == 0);
  }

  void table(const OutlineEntry& entry) {
    const bool typed = contains(entry.info->module, "Embedding");
    if (entry.info->tied()) {
      return say(Role::tied_embedding,
                 "one tensor under several names: a lookup table that is tied to other tables or to the head");
    }
    say(Role::token_embedding, typed ? "a lookup table: each step touches the rows of a few tokens"
                                     : "a lookup table by its name: each step touches the rows of a few tokens");
  }

  void bare(const OutlineEntry& entry) {
    if (stacked_bias(entry)) return say(Role::bias, "stacked biases of the batch of maps beside it");
    if (has_word(entry.leaf, embedding_words))
      return say(Role::token_embedding, "a table by its name, held by the block itself");
    if (entry.repeated() && outline_.channels().count(entry.size(0)) > 0 && entry.size(1) <= 256 &&
        depthwise_beside(entry)) {
      return say(Role::decay_table, "a table a channel beside the depthwise convolution: the state of a recurrence");
    }
    say(Role::other, "a matrix held by the block itself: nothing shows which axis is the input");
  }

  bool depthwise_beside(const OutlineEntry& entry) const {
    const auto& near = outline_.in(entry.parent);
    return std::any_of(near.begin(), near.end(), [&](int i) {
      const auto& other = outline_.entries()[static_cast<std::size_t>(i)];
      return other.ndim() == 3 && other.size(1) == 1 && other.size(0) == entry.size(0);
    });
  }

  bool stacked_bias(const OutlineEntry& entry) const {
    const auto& near = outline_.in(entry.parent);
    return std::any_of(near.begin(), near.end(), [&](int i) {
      const auto& other = outline_.entries()[static_cast<std::size_t>(i)];
      return other.ndim() == 3 && other.size(0) == entry.size(0) &&
             (other.size(1) == entry.size(1) || other.size(2) == entry.size(1));
    });
  }

  /// [experts, width] beside a list or a batch of as many experts; or a router by module type or name that is small.
  bool routes(const OutlineEntry& entry) const {
    const auto few = std::min(entry.size(0), entry.size(1));
    const auto many = std::max(entry.size(0), entry.size(1));
    if (contains(entry.info->module, "Router") || contains(entry.info->module, "MoEGate") ||
        contains(entry.info->module, "MoeGate"))
      return true;
    if (!entry.repeated() || few < 2 || many < 2 * few) return false;
    if (has_any_word(entry, {"router"}) && 4 * few <= many) return true;
    if (has_word(entry.own, router_words) && words_of(entry.own).size() == 1 && 8 * few <= many) return true;
    const auto block = entry.bare ? entry.owner : entry.parent;
    // A list of layers is no list of experts: the block must stand in a layer itself.
    const bool inside = block.size() >= entry.layer.size();
    return inside && (outline_.list_length(block) == few || expert_batch(block, few));
  }

  bool expert_batch(const std::string& block, std::int64_t count) const {
    for (const auto& place : {block, block + ".experts"}) {
      for (const auto i : outline_.in(place)) {
        const auto& other = outline_.entries()[static_cast<std::size_t>(i)];
        if (other.ndim() == 3 && other.size(0) == count && other.size(1) > 16 && other.size(2) > 16) return true;
      }
    }
    return false;
  }

  void find_axes(const OutlineEntry& entry) {
    const auto& module = entry.info->module;
    const auto rows_are_outputs = [&](bool yes, const char* why) {
      if (yes) {
        orient({0}, {1});
      } else {
        orient({1}, {0});
      }
      role_.reason = fmt::format("a linear map, stored {}: {}", yes ? "[out, in]" : "[in, out]", why);
    };
    if (module == "Conv1D") return rows_are_outputs(false, "module Conv1D");
    if (entry.leaf == "kernel") return rows_are_outputs(false, "a `kernel`, as Flax stores it");
    if (is_linear(module)) return rows_are_outputs(true, "module Linear");
    if (torch_weight(entry.leaf)) return rows_are_outputs(true, "torch's own modules store their weights so");
    if (!module.empty()) {
      const auto own = bias_says(entry);
      return rows_are_outputs(own >= 0, own == 0 ? "as torch's Linear" : "its bias has the length of the outputs");
    }
    if (const auto own = bias_says(entry); own != 0)
      return rows_are_outputs(own > 0, "its bias has the length of the outputs");
    for (const auto& place : {entry.layer, std::string("*")}) {
      const auto found = votes_.find(place);
      if (found == votes_.end() || found->second == 0) continue;
      return rows_are_outputs(found->second > 0, "as the biases of the matrices around it show");
    }
    role_.assumed = true;
    rows_are_outputs(true, "as torch's Linear, since nothing shows another storage");
  }

  /// A matrix outside the layers whose outputs nothing reads.
  bool ends_model(const OutlineEntry& entry) {
    const auto out = entry.size(static_cast<std::size_t>(role_.out[0]));
    const auto in = entry.size(static_cast<std::size_t>(role_.in[0]));
    const bool linear = is_linear(entry.info->module) || entry.info->module == "Conv1D";
    const bool named = has_word(entry.own, head_words) && out != in;
    if (!outline_.consumed(out)) {
      const bool table_by_shape = !linear && entry.info->module.empty() && out >= 8 * in && !named;
      if (table_by_shape || entry.info->tied()) {
        say(entry.info->tied() ? Role::tied_embedding : Role::token_embedding,
            "one axis occurs nowhere else in the model: a table of a vocabulary or an output head");
      } else {
        say(Role::output_head, "outside the layers, and nothing in the model reads its outputs: an output head");
      }
      return true;
    }
    if (named) {
      say(Role::output_head, "outside the layers, with the name of an output head");
      return true;
    }
    if (entry.info == last_matrix_ && !tied_head_ && out != in) {
      say(Role::output_head, "the last matrix of the model, outside the layers: an output head");
      return true;
    }
    return false;
  }

  // ---- Three axes that are no convolution.

  void batch(const OutlineEntry& entry) {
    if (named_position(entry)) return say(Role::position_table, "a table of positions by its name");
    if (entry.size(0) == 1) {
      return say(entry.repeated() ? Role::other : Role::position_table,
                 "its first axis has size 1: a table that is added to every sample, no batch of matrices");
    }
    const bool expert = has_any_word(entry, {"expert", "experts", "moe"}) || contains(entry.info->module, "Expert") ||
                        contains(entry.info->module, "MoE");
    const bool counted = entry.repeated() && router_beside(entry);
    if (!expert && !counted) {
      return say(Role::other, "three axes, but nothing shows that the first one counts matrices");
    }
    orient_experts(outline_, entry, role_);
    role_.role = Role::experts;
    if (!role_.oriented) {
      role_.reason = "a batch of linear maps, but nothing shows which axis is the input";
      return;
    }
    find_fusion(outline_, entry, heads_, role_);
  }

  bool router_beside(const OutlineEntry& entry) const {
    const auto above = entry.parent.rfind('.');
    for (const auto& place : {entry.parent, above == std::string::npos ? "" : entry.parent.substr(0, above)}) {
      for (const auto i : outline_.in(place)) {
        const auto& other = outline_.entries()[static_cast<std::size_t>(i)];
        if (other.ndim() == 2 && !other.bare && other.leaf != "bias" && other.size(0) == entry.size(0) &&
            has_word(other.own, router_words))
          return true;
      }
    }
    return false;
  }

  Outline outline_;
  HeadCounts heads_;
  std::map<std::string, int> votes_;  ///< layer (or "*") -> [out, in] minus [in, out]
  const ParameterInfo* first_conv_ = nullptr;
  const ParameterInfo* last_matrix_ = nullptr;
  bool tied_head_ = false;
  ParameterRole role_;
};

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::token_embedding:
      return "token embedding";
    case Role::position_table:
      return "position table";
    case Role::output_head:
      return "output head";
    case Role::tied_embedding:
      return "tied embedding";
    case Role::linear:
      return "linear map";
    case Role::fused_qkv:
      return "fused query/key/value";
    case Role::fused_gate_up:
      return "fused gate/up";
    case Role::fused_other:
      return "fused maps";
    case Role::experts:
      return "experts";
    case Role::dense_conv:
      return "dense convolution";
    case Role::grouped_conv:
      return "grouped convolution";
    case Role::depthwise_conv:
      return "depthwise convolution";
    case Role::stem_conv:
      return "stem convolution";
    case Role::norm_gain:
      return "gain of a norm";
    case Role::bias:
      return "bias";
    case Role::router:
      return "router";
    case Role::adapter:
      return "low-rank adapter";
    case Role::decay_table:
      return "recurrent decay table";
    case Role::scalar:
      return "scalar";
    case Role::vector:
      return "vector";
    case Role::single_row:
      return "single row or column";
    case Role::other:
      return "other";
  }
  return "other";
}

bool ParameterRole::matrix() const {
  switch (role) {
    case Role::linear:
    case Role::fused_qkv:
    case Role::fused_gate_up:
    case Role::fused_other:
    case Role::experts:
    case Role::dense_conv:
      return oriented && (!fused || split.has_value());
    default:
      return false;
  }
}

std::vector<ParameterRole> classify(const ParameterTable& table, const HeadCounts& heads) {
  return Classifier(table, heads).run();
}

}  // namespace switchyard
