#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/block.h"

namespace switchyard {

/// True for 1 to 64 letters, digits, '_', '-' and '.': what names of blocks, and so of state, can be made of.
bool is_part_name(const std::string& name);

/// True if heads of `head_size` indices divide a cut: a head lies inside one run, or is made of whole runs (head_of).
bool heads_divide(const AxisCut& cut, std::int64_t head_size);

/// Why a view does not fit a shape, "" if it does: batch, out and in axes together name every axis once, out and in at
/// least one; the parts of a split have names of their own and hold every index of their axis once; heads divide every
/// part; both cut an out or an in axis.
std::string view_problem(const MatrixView& view, const std::vector<std::int64_t>& shape);

}  // namespace switchyard
