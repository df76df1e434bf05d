#pragma once

#include <vector>

#include "core/diagnostics.h"
#include "core/plan.h"
#include "core/registry.h"
#include "rules/spec.h"

namespace switchyard {

/// Options that are legal and do not do what they say, once an optimizer, at its place:
///   - beta1 > sqrt(beta2) of a plugin of Adam's kind (option `betas`, slot exp_avg_sq): its proofs of convergence need
///     beta1 <= sqrt(beta2), and one large gradient then moves a weight by more than the learning rate (SWY-2035);
///   - nesterov with momentum 0 (SWY-2036);
///   - a decay that a step rounds away: below 2^-25 of a weight (2^-54 of float64 ones) (SWY-2037, a note).
void check_options(const Spec& spec, const std::vector<PlannedParameter>& parameters, const Registry& registry,
                   Diagnostics& diagnostics);

}  // namespace switchyard
