#pragma once

#include <cstddef>
#include <string>

#include "core/machine.h"
#include "core/parameter_table.h"
#include "core/plan.h"
#include "core/registry.h"

namespace switchyard {

struct PlanTextOptions {
  std::string spec_file;  ///< as it should be printed
  std::string model_file;
  Machine machine{};            ///< whose resolution of `auto` and whose temporaries are told
  std::size_t list_limit = 20;  ///< names, shapes and groups listed before "... and n more"
};

/// The plan as people read it: spec and model, one row a rule in document order (the fallback and overrides below),
/// frozen parameters, schedules, gradient policy, sinks, memory of the state, execution groups, counts of rules, and
/// the first 16 digits of both hashes. Warnings are not in it: they are diagnostics.
std::string plan_text(const Plan& plan, const Registry& registry, const ParameterTable& table,
                      const PlanTextOptions& options);

/// What a plugin sees of a parameter: "768x768", "split q|k|v, 3 x 768x768", "heads 12 x 64x768"; "-" without blocks.
std::string view_text(const PlannedParameter& parameter);

/// A number for people: six significant digits ("0.014", not 0.013999999999999999).
std::string short_number(double value);

}  // namespace switchyard
