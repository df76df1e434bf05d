#pragma once

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "rules/spec.h"

namespace switchyard {

/// Patterns of rules and overrides that are meant for one layer and match all whose number begins alike: "layers.1*"
/// takes layers 1 and 10 to 19 (SWY-3114). A pattern that spells the longer numbers, or takes every layer, is meant so.
void find_layer_slips(const Spec& spec, const ParameterTable& table, Diagnostics& diagnostics);

}  // namespace switchyard
