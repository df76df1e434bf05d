// Two axes: lookup tables, routers, heads, and linear maps with the order in which they are stored.
#include <fmt/format.h>

#include <algorithm>

#include "rules/roles_fused.h"
#include "rules/roles_model.h"
#include "rules/roles_words.h"

namespace switchyard {

namespace {

void table(const OutlineEntry& entry, ParameterRole& role) {
  const bool typed = contains(entry.info->module, "Embedding");
  if (entry.info->tied()) {
    return say(role, Role::tied_embedding,
               "one tensor under several names: a lookup table that is tied to other tables or to the head");
  }
  say(role, Role::token_embedding,
      typed ? "a lookup table: each step touches the rows of a few tokens"
            : "a lookup table by its name: each step touches the rows of a few tokens");
}

bool depthwise_beside(const RoleModel& model, const OutlineEntry& entry) {
  const auto& near = model.outline.in(entry.parent);
  return std::any_of(near.begin(), near.end(), [&](int i) {
    const auto& other = model.outline.entries()[static_cast<std::size_t>(i)];
    return other.ndim() == 3 && other.size(1) == 1 && other.size(0) == entry.size(0);
  });
}

bool stacked_bias(const RoleModel& model, const OutlineEntry& entry) {
  const auto& near = model.outline.in(entry.parent);
  return std::any_of(near.begin(), near.end(), [&](int i) {
    const auto& other = model.outline.entries()[static_cast<std::size_t>(i)];
    return other.ndim() == 3 && other.size(0) == entry.size(0) &&
           (other.size(1) == entry.size(1) || other.size(2) == entry.size(1));
  });
}

void bare(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  if (stacked_bias(model, entry)) return say(role, Role::bias, "stacked biases of the batch of maps beside it");
  if (has_word(entry.leaf, embedding_words))
    return say(role, Role::token_embedding, "a table by its name, held by the block itself");
  if (entry.repeated() && model.outline.channels().count(entry.size(0)) > 0 && entry.size(1) <= 256 &&
      depthwise_beside(model, entry)) {
    return say(role, Role::decay_table,
               "a table a channel beside the depthwise convolution: the state of a recurrence");
  }
  say(role, Role::other, "a matrix held by the block itself: nothing shows which axis is the input");
}

bool expert_batch(const RoleModel& model, const std::string& block, std::int64_t count) {
  for (const auto& place : {block, block + ".experts"}) {
    for (const auto i : model.outline.in(place)) {
      const auto& other = model.outline.entries()[static_cast<std::size_t>(i)];
      if (other.ndim() == 3 && other.size(0) == count && other.size(1) > 16 && other.size(2) > 16) return true;
    }
  }
  return false;
}

/// [experts, width] beside a list or a batch of as many experts; or a router by module type or name that is small.
bool routes(const RoleModel& model, const OutlineEntry& entry) {
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
  return inside && (model.outline.list_length(block) == few || expert_batch(model, block, few));
}

void find_axes(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  const auto& module = entry.info->module;
  const auto rows_are_outputs = [&](bool yes, const char* why) {
    if (yes) {
      orient(role, {0}, {1});
    } else {
      orient(role, {1}, {0});
    }
    role.reason = fmt::format("a linear map, stored {}: {}", yes ? "[out, in]" : "[in, out]", why);
  };
  if (module == "Conv1D") return rows_are_outputs(false, "module Conv1D");
  if (entry.leaf == "kernel") return rows_are_outputs(false, "a `kernel`, as Flax stores it");
  if (is_linear(module)) return rows_are_outputs(true, "module Linear");
  if (torch_weight(entry.leaf)) return rows_are_outputs(true, "torch's own modules store their weights so");
  if (!module.empty()) {
    const auto own = model.bias_says(entry);
    return rows_are_outputs(own >= 0, own == 0 ? "as torch's Linear" : "its bias has the length of the outputs");
  }
  if (const auto own = model.bias_says(entry); own != 0)
    return rows_are_outputs(own > 0, "its bias has the length of the outputs");
  for (const auto& place : {entry.layer, std::string("*")}) {
    const auto found = model.votes.find(place);
    if (found == model.votes.end() || found->second == 0) continue;
    return rows_are_outputs(found->second > 0, "as the biases of the matrices around it show");
  }
  role.assumed = true;
  rows_are_outputs(true, "as torch's Linear, since nothing shows another storage");
}

/// A matrix outside the layers whose outputs nothing reads.
bool ends_model(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  const auto out = entry.size(static_cast<std::size_t>(role.out[0]));
  const auto in = entry.size(static_cast<std::size_t>(role.in[0]));
  const bool linear = is_linear(entry.info->module) || entry.info->module == "Conv1D";
  const bool named = has_word(entry.own, head_words) && out != in;
  if (!model.outline.consumed(out)) {
    const bool table_by_shape = !linear && entry.info->module.empty() && out >= 8 * in && !named;
    if (table_by_shape || entry.info->tied()) {
      say(role, entry.info->tied() ? Role::tied_embedding : Role::token_embedding,
          "one axis occurs nowhere else in the model: a table of a vocabulary or an output head");
    } else {
      say(role, Role::output_head, "outside the layers, and nothing in the model reads its outputs: an output head");
    }
    return true;
  }
  if (named) {
    say(role, Role::output_head, "outside the layers, with the name of an output head");
    return true;
  }
  if (entry.info == model.last_matrix && !model.tied_head && out != in) {
    say(role, Role::output_head, "the last matrix of the model, outside the layers: an output head");
    return true;
  }
  return false;
}

/// The number at the end of a layer's path: 3 of "convs.3". Longer ones than any model has are 0.
std::int64_t layer_number(const std::string& layer) {
  std::int64_t out = 0;
  auto at = layer.find_last_not_of("0123456789");
  at = at == std::string::npos ? 0 : at + 1;
  if (layer.size() - at > 9) return 0;
  for (; at < layer.size(); ++at) out = 10 * out + (layer[at] - '0');
  return out;
}

/// The matrix of the last layer of a list that makes a width of its own, which nothing reads: a list of layers that
/// ends in the classes.
bool ends_stack(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  const auto& entries = model.outline.entries();
  const auto axis = static_cast<std::size_t>(role.out[0]);
  const auto out = entry.size(axis);
  const auto& peers = model.alike(entry);
  if (peers.size() < 2) return false;
  const bool last = std::all_of(peers.begin(), peers.end(), [&](int i) {
    const auto& other = entries[static_cast<std::size_t>(i)];
    return other.info == entry.info ||
           (other.ndim() == 2 && other.size(axis) != out && layer_number(other.layer) < layer_number(entry.layer));
  });
  if (!last) return false;
  const bool read = std::any_of(entries.begin(), entries.end(), [&](const OutlineEntry& other) {
    if (other.info == entry.info || (other.ndim() < 2 && !is_norm(other))) return false;
    const auto& shape = other.info->shape;
    const bool beside = other.layer == entry.layer && other.ndim() == 2 && other.size(axis) == out;
    return !beside && std::find(shape.begin(), shape.end(), out) != shape.end();
  });
  if (read) return false;
  say(role, Role::output_head, "the last of its list, with a width that no layer reads: an output head");
  return true;
}

}  // namespace

void matrix_role(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  if (named_position(entry))
    return say(role, Role::position_table, "a table of positions by its name: rows are looked up");
  if (entry.bare && decays(entry))
    return say(role, Role::decay_table, "a table of rates of a recurrence, held by the block itself");
  // Without module types, a map that makes embeddings is called like a table; but a table has no bias.
  const bool typed = contains(entry.info->module, "Embedding");
  if (is_table(entry) && (typed || model.outline.bias_of(entry) == nullptr)) return table(entry, role);
  if (entry.bare && !torch_weight(entry.leaf)) return bare(model, entry, role);
  if (routes(model, entry)) return say(role, Role::router, "scores one output an expert: a router");
  find_axes(model, entry, role);
  if (!entry.repeated() && !entry.bare && ends_model(model, entry, role)) return;
  if (entry.repeated() && !entry.bare && ends_stack(model, entry, role)) return;
  say(role, Role::linear, role.reason);
  find_fusion(model, entry, role);
}

}  // namespace switchyard
