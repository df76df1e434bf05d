// Three axes that are no convolution: experts, and tables that are added.
#include <algorithm>

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
  find_fusion(model.outline, entry, model.heads, role);
}

}  // namespace switchyard
