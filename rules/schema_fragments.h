#pragma once

#include <string>

#include "core/json.h"
#include "core/registry.h"

/// The parts of the schemas that have a file of their own; each becomes a definition or a property.
namespace switchyard::schema {

// schema_options.cpp
Json option_schema(const OptionInfo& option);
Json options_object(const OptimizerDescriptor& descriptor);

// schema_optimizers.cpp
Json optimizer_schema(const Registry& registry);
Json settings_schema(const Registry& registry);

// schema_schedules.cpp
Json schedule_schema();

// schema_match.cpp
Json condition_schema();
Json layer_schema();
Json match_schema();

// schema_view.cpp
Json view_schema();

// schema_rules.cpp
Json rule_schema();
Json override_schema();

// schema_variables.cpp
/// `vars`.
Json variables_schema();
/// "$name".
Json variable_schema();
/// The schema with "$name" accepted wherever a value may stand. `if` rather than `anyOf`: a mistake is then reported as
/// what it is.
Json with_references(const Json& schema);

// schema_plan.cpp
/// A plan as a file (which may be a lock) or inside another document, and the definitions that it needs.
Json plan_object(bool is_file);
void define_plan(Json& definitions, const Registry& registry);
/// 64 hexadecimal digits.
Json hash(std::string text);
Json state_lines_schema();

}  // namespace switchyard::schema
