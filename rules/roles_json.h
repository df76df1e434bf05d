#pragma once

#include <optional>

#include "core/json.h"
#include "rules/roles.h"

namespace switchyard {

/// `split` of a rule. Without `sizes` equal parts are only counted, which fits any width.
Json split_json(const RoleSplit& split, bool sizes);
/// True if all parts have one size.
bool equal_parts(const RoleSplit& split);

/// `matrix` of a rule for an oriented tensor, with this split; what the defaults say anyway is left out, so it may be
/// {}.
Json view_json(const ParameterRole& role, const std::optional<Json>& split);
/// With the split of the role, if it has one: its parts counted where they are equal, which fits any width.
Json view_json(const ParameterRole& role);

}  // namespace switchyard
