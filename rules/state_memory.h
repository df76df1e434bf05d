#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/plan.h"
#include "core/registry.h"

namespace switchyard {

/// Bytes of one kind of state of one parameter. `kind` says slot and type as people read it: "momentum float32".
struct StateMemory {
  std::string kind;
  std::int64_t bytes = 0;
};

/// State of a trained parameter: every active slot, and the master copy ("master float32") where the plugin keeps one;
/// empty for frozen ones. The count of applied updates (8 bytes a parameter) is not listed.
std::vector<StateMemory> state_memory(const PlannedParameter& parameter, const OptimizerDescriptor& descriptor);

}  // namespace switchyard
