#include "rules/roles.h"

#include <fmt/format.h>

#include <algorithm>

#include "rules/roles_model.h"
#include "rules/roles_words.h"

namespace switchyard {

namespace {

void vector_role(const OutlineEntry& entry, ParameterRole& role) {
  if (entry.info->numel() == 1) return say(role, Role::scalar, "one number");
  if (entry.leaf == "bias" || has_word(entry.leaf, {"bias"})) return say(role, Role::bias, "a bias: it is added");
  if (is_norm(entry)) return say(role, Role::norm_gain, "gains of a norm: they scale element by element");
  if (decays(entry)) return say(role, Role::decay_table, "rates of a recurrence");
  say(role, Role::vector, "one axis");
}

/// q_proj.lora_a.weight and q_proj.lora_b.weight beside q_proj.weight, whatever they are called.
bool low_rank_beside_base(const RoleModel& model, const OutlineEntry& entry) {
  if (entry.ndim() != 2 || entry.bare) return false;
  auto base = entry.parent;
  for (int level = 0; level < 2 && !base.empty(); ++level) {
    for (const auto* name : {".weight", ".base_layer.weight"}) {
      const auto* full = model.outline.find(base + name);
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

void decide(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  const auto& shape = entry.info->shape;
  if (entry.ndim() <= 1) return vector_role(entry, role);
  const auto ones = std::count(shape.begin(), shape.end(), 1);
  if (ones + 1 >= static_cast<std::int64_t>(shape.size())) {
    if (entry.ndim() == 2 && !entry.bare) {
      return say(role, Role::single_row, "one row or column: orthogonalizing a vector only normalizes it");
    }
    return say(role, Role::vector, "all axes but one have size 1: a vector");
  }
  if (has_any_word(entry, adapter_words)) {
    return say(role, Role::adapter,
               "a low-rank adapter by its name: orthogonalizing one factor changes the scale of the product");
  }
  if (entry.leaf == "bias" || has_word(entry.leaf, {"bias"})) {
    if (named_position(entry)) return say(role, Role::position_table, "a table of relative positions by its name");
    return say(role, Role::bias, "stacked biases: each row is added, none is multiplied with");
  }
  if (low_rank_beside_base(model, entry)) {
    return say(role, Role::adapter, "a factor of small rank beside the full matrix that it adapts");
  }
  if (is_norm(entry)) return say(role, Role::norm_gain, "gains of a norm: they scale element by element");
  if (looks_like_conv(entry)) return conv_role(model, entry, role);
  if (entry.ndim() == 2) return matrix_role(model, entry, role);
  if (entry.ndim() == 3) return batch_role(model, entry, role);
  say(role, Role::other, fmt::format("{} axes and no convolution: nothing shows which axes are inputs", entry.ndim()));
}

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
  const RoleModel model(table, heads);
  std::vector<ParameterRole> out(table.size());
  for (std::size_t i = 0; i < out.size(); ++i) decide(model, model.outline.entries()[i], out[i]);
  return out;
}

}  // namespace switchyard
