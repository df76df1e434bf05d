#pragma once

#include <string>

#include "rules/match.h"
#include "rules/spec.h"

namespace switchyard {

/// A match with all its conditions, in one order whatever the order in the document: "name a.** or b.*, ndim 2". Equal
/// texts of two specs are equal matches.
std::string match_text(const Match& match, const PatternList& patterns);
/// "out [0], in [1, 2, 3], split axis 0 in 3, heads of 64 on axis 0"; "default" of a view that says nothing.
std::string view_text(const SpecView& view);

}  // namespace switchyard
