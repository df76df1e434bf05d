#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "core/block.h"

namespace switchyard {

/// Rows [first, last) of axis 0 that a rank holds of a parameter; all of them when it is replicated.
struct RowRange {
  std::int64_t first = 0;
  std::int64_t last = 0;

  std::int64_t size() const { return last - first; }
  bool operator==(const RowRange&) const = default;
};

/// A rectangular part of a block that lies in one rank's rows: runs [run, run + runs) of axis 0's cut, and [begin,
/// begin + length) inside each of them. A block of an interleaved split on a shard is up to three of these: a partial
/// first run, whole runs, a partial last run. Blocks whose axis 0 is uncut or a batch axis have one.
struct PieceGeometry {
  std::int64_t run = 0;
  std::int64_t runs = 0;
  std::int64_t begin = 0;
  std::int64_t length = 0;
};

/// Where a piece lies in memory: its first element, from the first element of what it is cut out of, and its axes.
struct PieceLayout {
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
};

/// How the blocks of one parameter are cut out of tensors. Only views are made, never copies.
class BlockGeometry {
 public:
  /// `view` gives the roles of the axes; `block` the cuts. Both from the plan.
  BlockGeometry(const MatrixView& view, const Block& block);

  /// The pieces of the block that lie in these rows, in order; none if there are no common rows.
  std::vector<PieceGeometry> pieces(const RowRange& rows) const;

  /// The piece inside a tensor of these strides that holds rows `rows` of the parameter: axes in the order out, in; a
  /// cut axis with several runs gives two axes (runs, length); batch axes are gone.
  PieceLayout in_parameter(at::IntArrayRef strides, const RowRange& rows, const PieceGeometry& piece) const;
  /// The same piece inside a packed matrix [out, in] of the block: equal sizes.
  PieceLayout in_matrix(const PieceGeometry& piece) const;
  /// Views of them.
  at::Tensor of_parameter(const at::Tensor& local, const RowRange& rows, const PieceGeometry& piece) const;
  at::Tensor of_matrix(const at::Tensor& matrix, const PieceGeometry& piece) const;

  /// Sizes of the piece's views.
  std::vector<std::int64_t> sizes(const PieceGeometry& piece) const;
  std::int64_t elements(const PieceGeometry& piece) const;
  /// Row-major index in [out, in] of the piece's first element.
  std::int64_t offset(const PieceGeometry& piece) const;

  const Block& block() const { return block_; }

 private:
  /// One axis of a view: size and, when it belongs to axis 0, how a piece narrows it.
  struct ViewAxis {
    std::int64_t size;
    enum class Narrow : std::uint8_t { none, runs, inside } narrow;
  };
  std::vector<ViewAxis> view_axes() const;

  Block block_;
  std::vector<int> out_axes_;
  std::vector<int> in_axes_;
  std::vector<int> batch_axes_;
};

}  // namespace switchyard
