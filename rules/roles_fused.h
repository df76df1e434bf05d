#pragma once

#include "rules/outline.h"
#include "rules/roles.h"

namespace switchyard {

/// Decides whether an oriented linear map (or batch of them) holds several maps side by side along its out axis, and
/// whether anything shows in which order: sets role, fused, split or guess, and the reason. Leaves other maps alone.
void find_fusion(const Outline& outline, const OutlineEntry& entry, const HeadCounts& heads, ParameterRole& role);

/// Orientation of a 3-D tensor [E, a, b] that is a batch of maps: from its bias, from what the layer's stream is wide
/// and which way the tensor goes, else from the other batches beside it. Not oriented if nothing shows it.
void orient_experts(const Outline& outline, const OutlineEntry& entry, ParameterRole& role);

}  // namespace switchyard
