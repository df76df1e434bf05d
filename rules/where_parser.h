#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rules/where.h"

namespace switchyard {

/// The nodes of an expression, operands before what uses them; nothing (and `error`) if it is broken.
std::optional<std::vector<Where::Node>> parse_where(const std::string& text, const Where::Variables& variables,
                                                    WhereError& error);

/// Names of numbers, in the order of Where::Name.
const std::vector<std::string>& where_names();

}  // namespace switchyard
