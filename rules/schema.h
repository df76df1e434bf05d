#pragma once

#include <string>

#include "core/json.h"
#include "core/registry.h"

namespace switchyard {

/// JSON Schema (draft-07) of specs, generated from the grammar's keys and the plugins' option tables, for editors and
/// other tools: every key with a description; each plugin's options with types, ranges, choices and defaults behind
/// `if` plugin is X, so that a mistake is reported where it is. Keys that this build refuses are not in it. What needs
/// several values at once (rules that match nothing, schedules with warmup beyond total) is checked by `validate` and
/// `plan` only.
Json spec_schema(const Registry& registry);

/// The schema of the `options` of one plugin alone.
Json options_schema(const OptimizerDescriptor& descriptor);

/// File names under schemas/.
std::string spec_schema_file();
std::string options_schema_file(const std::string& plugin);
std::string plugins_file();

/// What a generated file holds: the document, indented, with a line end.
std::string generated_text(const Json& document);

}  // namespace switchyard
