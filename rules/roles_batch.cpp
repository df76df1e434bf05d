// Three axes that are no convolution: experts, and tables that are added.
#include <fmt/format.h>

#include "rules/roles_fused.h"
#include "rules/roles_model.h"
#include "rules/roles_words.h"

namespace switchyard {

namespace {

bool router_beside(const RoleModel& model, const OutlineEntry& entry) {
  const auto above = entry.parent.rfind('.');
  for (const auto& place : {entry.parent, above == std::string::npos ? "" : entry.parent.substr(0, above)}) {
    for (const auto i : model.outline.in(place)) {
      const auto& other = model.outline.entries()[static_cast<std::size_t>(i)];
      if (other.ndim() == 2 && !other.bare && other.leaf != "bias" && other.size(0) == entry.size(0) &&
          has_word(other.own, router_words))
        return true;
    }
  }
  return false;
}

enum class Flow : std::uint8_t { unknown, up, down };

/// Whether a map leads from the layer's stream to the inner width or back.
Flow flow_of(const Outline& outline, const OutlineEntry& entry) {
  if (has_word(entry.own, {"down", "out", "output", "fc2", "wo", "w2"})) return Flow::down;
  if (has_word(entry.own, {"up", "gate", "in", "input", "fc1", "wi", "w1", "w3"})) return Flow::up;
  // Of three batches, two of one shape are gate and up.
  int same = 0;
  int others = 0;
  for (const auto* other : outline.siblings(entry)) ++(other->info->shape == entry.info->shape ? same : others);
  if (same == 1 && others == 1) return Flow::up;
  if (same == 0 && others == 2) return Flow::down;
  return Flow::unknown;
}

/// 2 if [E, in, out], 1 if [E, out, in], 0 if the tensor alone does not show it.
int out_axis(const Outline& outline, const OutlineEntry& entry) {
  const auto a = entry.size(1);
  const auto b = entry.size(2);
  if (a == b) return 0;
  if (const auto* bias = outline.bias_of(entry); bias != nullptr && bias->ndim() == 2) {
    if (bias->size(1) == a) return 1;
    if (bias->size(1) == b) return 2;
  }
  const auto width = outline.width(entry);
  const auto flow = flow_of(outline, entry);
  if (flow == Flow::unknown || (a != width && b != width)) return 0;
  // Down ends in the stream, up starts from it.
  return (a == width) == (flow == Flow::down) ? 1 : 2;
}

/// Orientation of a 3-D tensor [E, a, b] that is a batch of maps: from its bias, from what the layer's stream is wide
/// and which way the tensor goes, else from the other batches beside it. Not oriented if nothing shows it.
void orient_experts(const Outline& outline, const OutlineEntry& entry, ParameterRole& role) {
  auto axis = out_axis(outline, entry);
  const bool own = axis != 0;
  for (const auto* other : outline.siblings(entry)) {
    if (axis == 0 && other->size(0) == entry.size(0)) axis = out_axis(outline, *other);
  }
  if (axis == 0) return;
  role.oriented = true;
  role.batch = {0};
  role.out = {axis};
  role.in = {3 - axis};
  role.reason = fmt::format(
      "a batch of linear maps, stored {}: {}", axis == 2 ? "[expert, in, out]" : "[expert, out, in]",
      own ? "its bias or the width of the layer's stream shows the outputs" : "as the batches beside it are");
}

}  // namespace

void batch_role(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  if (named_position(entry)) return say(role, Role::position_table, "a table of positions by its name");
  if (entry.size(0) == 1) {
    return say(role, entry.repeated() ? Role::other : Role::position_table,
               "its first axis has size 1: a table that is added to every sample, no batch of matrices");
  }
  const bool expert = has_any_word(entry, {"expert", "experts", "moe"}) || contains(entry.info->module, "Expert") ||
                      contains(entry.info->module, "MoE");
  const bool counted = entry.repeated() && router_beside(model, entry);
  if (!expert && !counted) {
    return say(role, Role::other, "three axes, but nothing shows that the first one counts matrices");
  }
  orient_experts(model.outline, entry, role);
  role.role = Role::experts;
  if (!role.oriented) {
    role.reason = "a batch of linear maps, but nothing shows which axis is the input";
    return;
  }
  find_fusion(model, entry, role);
}

}  // namespace switchyard
