#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostics.h"
#include "core/parameter_table.h"

namespace switchyard {

/// The name without the segments that are wrappers ("_orig_mod", "module"): "module.h.0.w" -> "h.0.w". The last segment
/// always stays.
std::string canonical_name(std::string_view name, const std::vector<std::string>& strip);

/// The table under canonical names, in the same order. Two tensors with one canonical name are an error (SWY-2030) at
/// `place`; then nothing is returned. To run such a plan, give the tensors their canonical names as well.
std::optional<ParameterTable> canonical_table(const ParameterTable& table, const std::vector<std::string>& strip,
                                              const Place& place, Diagnostics& diagnostics);

}  // namespace switchyard
