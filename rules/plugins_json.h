#pragma once

#include <string_view>

#include "core/json.h"
#include "core/registry.h"

namespace switchyard {

/// Descriptors as data: {"switchyard_plugins": 1, "plugins": [{"name", "doc", "version", "state_version", "options":
/// [...], "slots": [...], "traits": {...}}]}. What equals its default is left out. What only code can say (make, flops,
/// check) is not in it.
Json plugins_json(const Registry& registry);
Json plugin_json(const OptimizerDescriptor& descriptor);

/// The registry of such a document: with it one can validate, plan and explain without LibTorch, but not run; rules
/// that compare several options (OptimizerDescriptor::check) are not applied. Throws OptimizerError for a document that
/// does not fit.
Registry registry_from_json(std::string_view text);

}  // namespace switchyard
