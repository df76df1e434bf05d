#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rules/pattern.h"

namespace switchyard {

/// The alternatives of a glob (see Pattern); nothing if it is broken, and then `error` says why and where.
std::optional<std::vector<GlobBranch>> parse_glob(const std::string& text, PatternError& error);

}  // namespace switchyard
