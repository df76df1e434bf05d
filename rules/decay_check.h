#pragma once

#include "core/diagnostics.h"
#include "core/plan.h"
#include "core/registry.h"
#include "rules/spec.h"

namespace switchyard {

/// What a step at the peak of the schedules takes away of a weight; 0 where the plugin has no decay.
double decay_of_step(const PlannedParameter& parameter, const OptimizerDescriptor& plugin);

/// Warns (SWY-2034) where a step would take a whole weight or more away: decoupled decay multiplies weights by
/// 1 - lr wd and independent decay by 1 - wd, at the peak of the schedules. One finding an optimizer.
void check_decay(const Spec& spec, const std::vector<PlannedParameter>& parameters, const Registry& registry,
                 Diagnostics& diagnostics);

}  // namespace switchyard
