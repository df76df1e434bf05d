#include "rules/roles_model.h"

#include "rules/roles_words.h"

namespace switchyard {

RoleModel::RoleModel(const ParameterTable& table, const HeadCounts& counts) : outline(table), heads(counts) {
  bool conv = false;
  for (const auto& entry : outline.entries()) {
    if (entry.ndim() == 2 && entry.info->module.empty() && !entry.bare && entry.leaf == "weight") {
      votes[entry.layer] += bias_says(entry);
      votes["*"] += bias_says(entry);
    }
    if (!outline.ordered()) continue;
    if (!conv && looks_like_conv(entry)) {
      conv = true;
      first_conv = entry.info;
    }
    if (entry.ndim() >= 2 && entry.leaf != "bias") last_matrix = entry.info;
    if (entry.info->tied() && entry.ndim() == 2 && is_table(entry))
      tied_head = true;  // then no last matrix is the head
  }
}

int RoleModel::bias_says(const OutlineEntry& entry) const {
  const auto* bias = outline.bias_of(entry);
  if (bias == nullptr || bias->ndim() != 1 || entry.size(0) == entry.size(1)) return 0;
  return bias->size(0) == entry.size(0) ? 1 : bias->size(0) == entry.size(1) ? -1 : 0;
}

}  // namespace switchyard
