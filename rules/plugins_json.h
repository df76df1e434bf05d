#pragma once

#include <string>
#include <string_view>

#include "core/diagnostics.h"
#include "core/json.h"
#include "core/registry.h"

namespace switchyard {

/// Descriptors as data: {"switchyard_plugins": 1, "plugins": [{"name", "doc", "version", "state_version", "options":
/// [...], "slots": [...], "traits": {...}, "defaults"?: {...}, "loaded_from"?: "file"}]}. What equals its default is
/// left out. What only code can say (make, flops, check) is not in it.
Json plugins_json(const Registry& registry);
Json plugin_json(const OptimizerDescriptor& descriptor);

/// Adds the plugins that such a document describes: with them one can validate, plan and explain without LibTorch, but
/// not run; rules that compare several options (OptimizerDescriptor::check) are not applied. `file` becomes their
/// `loaded_from` ("" for none).
///
/// Everything wrong is reported with its place, as in specs, then nothing is added and false returned. A name that the
/// registry has is SWY-3300, unless the description is the same; a description that contradicts itself SWY-3301.
bool load_plugins(std::string_view text, const std::string& file, Registry& registry, Diagnostics& diagnostics);

/// The registry of such a document alone. Throws SpecError for one that does not fit.
Registry registry_from_json(std::string_view text);

}  // namespace switchyard
