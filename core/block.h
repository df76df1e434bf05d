#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// Indices of one axis: start + k stride + [0, length), k < times; in that order. A whole axis of n is {0, n, 0, 1}.
struct AxisCut {
  std::int64_t start = 0;
  std::int64_t length = 0;
  std::int64_t stride = 0;
  std::int64_t times = 1;

  std::int64_t size() const { return length * times; }
  bool operator==(const AxisCut&) const = default;
};

/// A named part of the axis that a split cuts.
struct SplitPart {
  std::string name;
  AxisCut cut{};
};

/// How the axes of a parameter form matrices, checked against its shape: the axes in batch, out and in together are all
/// axes, each once. `split_axis` and `heads_axis` are -1 without a split or heads; both are out or in axes.
struct MatrixView {
  std::vector<int> batch{};
  std::vector<int> out{};
  std::vector<int> in{};
  int split_axis = -1;
  std::vector<SplitPart> parts{};  ///< empty without a split
  int heads_axis = -1;
  std::int64_t head_size = 0;

  bool operator==(const MatrixView&) const;
};

/// The roles that need no view: ndim 2 has out [0] and in [1]; a module of class Conv1D stores [in, out], so out [1]
/// and in [0]. Nothing for any other ndim: no orientation is guessed from a shape.
std::optional<MatrixView> default_view(std::size_t ndim, std::string_view module);

/// One logical matrix of a parameter: what a matrix plugin sees. `name` is "" for an uncut parameter; otherwise the
/// part's name, the indices of the batch axes ("b3") and the head ("h0"), joined by '/'.
struct Block {
  std::string name;
  std::vector<AxisCut> cuts;  ///< one an axis of the parameter
  std::int64_t out = 0;
  std::int64_t in = 0;
  double scale = 1;  ///< the shape scale
};

/// The heads of one axis cut: head h of size s covers s consecutive indices of the cut (in the cut's own order). Either
/// s divides the run's length or the run's length divides s; the planner has checked it.
AxisCut head_of(const AxisCut& cut, std::int64_t head_size, std::int64_t head);

/// Every block of a parameter of this shape in order: parts, then batch indices (row-major), then heads. Scales are
/// left at 1.
std::vector<Block> enumerate_blocks(const MatrixView& view, const std::vector<std::int64_t>& shape);

}  // namespace switchyard
