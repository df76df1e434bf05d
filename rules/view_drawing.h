#pragma once

#include <cstddef>
#include <string>

#include "core/plan.h"

namespace switchyard {

/// A parameter's axes as bars, one line an axis: number, size, role, and the pieces that a split, heads or a batch cut
/// it into, in the order in which they are stored and about as wide as they are long. Beyond eight pieces the rest is
/// counted. Ends with the blocks. "" for parameters without blocks.
///   axis 0   768  in   |                                                |
///   axis 1  2304  out  |q 768           |k 768           |v 768           |
///   blocks  split q|k|v, 3 x 768x768
std::string view_drawing(const PlannedParameter& parameter, std::size_t indent = 2);

}  // namespace switchyard
