#pragma once
/// Exact sums of squares over many tensors in one parallel region: what a step needs of all gradients together.

#include "kernels/exact_sum.h"
#include "kernels/view.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace switchyard::kernels {

/// One tensor among many.
struct SquaresItem {
  View view;                            ///< not encoded
  std::span<const std::int64_t> sizes;  ///< of its dimensions, at most kMaxDimensions
  std::int64_t numel = 0;
  std::size_t group = 0;  ///< whose sums it is added to
  bool counts = true;     ///< false: only what is not finite is counted, as for a replica that another rank adds
  char nonfinite = 0;     ///< out: 1 if it holds a NaN or an infinity; never reset here
};
inline constexpr std::size_t kMaxDimensions = 16;

/// Sums of one group: narrow for float32, bfloat16 and float16, wide for float64.
struct SquaresSums {
  ExactSum narrow;
  ExactSum64 wide;
  bool has_wide = false;

  [[nodiscard]] bool nonfinite() const { return narrow.nonfinite() || wide.nonfinite(); }
  void reset() { *this = {}; }
};

/// Adds every item's squares to sums[item.group]: each element is read once, nothing is copied or allocated, threads
/// share the elements of all items evenly. The same bits for any number of threads and any order of items.
/// Items: CPU memory, any strides, float32, float64, bfloat16 or float16; throws std::invalid_argument otherwise.
void add_squares_of(std::span<SquaresItem> items, std::span<SquaresSums> sums);

}  // namespace switchyard::kernels
