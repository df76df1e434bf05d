#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/plan.h"

namespace switchyard {

/// A group of parameters built in code instead of by rules: what an entry of `optimizers` and the rules that use it
/// would say.
struct ParameterGroup {
  std::string id;
  std::string plugin;
  std::vector<std::string> parameters{};                      ///< any name of each tensor
  OptionValues options{};                                     ///< others keep their defaults
  double lr_scale = 1;                                        ///< lr = base_lr x lr_scale
  std::vector<std::pair<std::string, Schedule>> schedules{};  ///< of "lr" or a schedulable option
  /// Roles by parameter name; else the default view of its ndim and module. Matrix plugins need them; whatever the
  /// plugin, so do the constraints and monitors that are attached to the parameter.
  std::map<std::string, MatrixView> views{};
};

/// The plan of groups built in code. Every parameter of the table must be in one group, or not require a gradient. All
/// problems are reported together, by the codes of a spec where it could have the same one: unknown plugins, options
/// and targets of schedules, values out of range, schedules and views that do not fit, a matrix plugin without roles,
/// ids used twice; and names that are not parameters (SWY-2201), a tensor in two groups (SWY-2202) or in none
/// (SWY-2003), a view that does not fit the shape (SWY-2203). Nothing is returned if there are errors.
std::optional<Plan> plan_from_groups(const std::vector<ParameterGroup>& groups, double base_lr,
                                     const ParameterTable& table, const Registry& registry, Diagnostics& diagnostics);

}  // namespace switchyard
