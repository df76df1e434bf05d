#pragma once

#include "rules/roles_model.h"

namespace switchyard {

/// Decides whether an oriented linear map (or batch of them) holds several maps side by side along its out axis, and
/// whether anything shows in which order: sets role, fused, split or guess, and the reason. Leaves other maps alone.
void find_fusion(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role);

}  // namespace switchyard
