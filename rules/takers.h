#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/parameter_table.h"
#include "core/plan.h"
#include "rules/spec.h"

namespace switchyard {

/// Who takes what a rule matches: for each of these rules, how many of its tensors each winning rule takes, itself
/// included. Rules are numbers in Spec::rules; `winners` has that of each tensor of the table (-1: none).
std::vector<std::map<int, std::int64_t>> takers_of(const Spec& spec, const ParameterTable& table,
                                                   const std::vector<std::size_t>& rules,
                                                   const std::vector<int>& winners);

/// By id of a rule that loses tensors: the ids of the earlier rules that take them, in document order, with how many.
using Losses = std::map<std::string, std::vector<std::pair<std::string, std::int64_t>>>;

/// The losses of all rules of a plan. `table` is the one that was planned.
Losses losses_of(const Spec& spec, const ParameterTable& table, const Plan& plan);

}  // namespace switchyard
