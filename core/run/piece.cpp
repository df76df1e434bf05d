#include "core/run/piece.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace switchyard {

BlockGeometry::BlockGeometry(const MatrixView& view, const Block& block)
    : block_(block), out_axes_(view.out), in_axes_(view.in), batch_axes_(view.batch) {}

std::vector<PieceGeometry> BlockGeometry::pieces(const RowRange& rows) const {
  const auto& cut = block_.cuts.front();
  if (cut.size() == 0 || rows.size() == 0) return {};
  if (cut.times == 1) {
    const auto begin = std::max(rows.first, cut.start) - cut.start;
    const auto end = std::min(rows.last, cut.start + cut.length) - cut.start;
    if (begin >= end) return {};
    return {{0, 1, begin, end - begin}};
  }
  // Runs that have a common row with [first, last), the first and the last of them perhaps in part.
  std::vector<PieceGeometry> out;
  for (std::int64_t run = 0; run < cut.times; ++run) {
    const auto start = cut.start + run * cut.stride;
    const auto begin = std::max(rows.first, start) - start;
    const auto end = std::min(rows.last, start + cut.length) - start;
    if (begin >= end) continue;
    const bool whole = begin == 0 && end == cut.length;
    if (whole && !out.empty() && out.back().begin == 0 && out.back().length == cut.length) {
      ++out.back().runs;
    } else {
      out.push_back({run, 1, begin, end - begin});
    }
  }
  return out;
}

std::vector<BlockGeometry::ViewAxis> BlockGeometry::view_axes() const {
  std::vector<ViewAxis> axes;
  for (const auto* roles : {&out_axes_, &in_axes_}) {
    for (const auto axis : *roles) {
      const auto& cut = block_.cuts[static_cast<std::size_t>(axis)];
      const bool rows = axis == 0;
      if (cut.times > 1) axes.push_back({cut.times, rows ? ViewAxis::Narrow::runs : ViewAxis::Narrow::none});
      axes.push_back({cut.length, rows ? ViewAxis::Narrow::inside : ViewAxis::Narrow::none});
    }
  }
  return axes;
}

PieceLayout BlockGeometry::in_parameter(at::IntArrayRef local, const RowRange& rows, const PieceGeometry& piece) const {
  PieceLayout out;
  const auto add_axis = [&](int axis) {
    const auto& cut = block_.cuts[static_cast<std::size_t>(axis)];
    const auto stride = local[static_cast<std::size_t>(axis)];
    const bool sharded = axis == 0;
    const auto run = sharded ? piece.run : 0;
    const auto begin = sharded ? piece.begin : 0;
    out.offset += (cut.start + run * cut.stride + begin - (sharded ? rows.first : 0)) * stride;
    if (cut.times > 1) {
      out.sizes.push_back(sharded ? piece.runs : cut.times);
      out.strides.push_back(cut.stride * stride);
    }
    out.sizes.push_back(sharded ? piece.length : cut.length);
    out.strides.push_back(stride);
  };
  for (const auto axis : out_axes_) add_axis(axis);
  for (const auto axis : in_axes_) add_axis(axis);
  for (const auto axis : batch_axes_) {
    out.offset += (block_.cuts[static_cast<std::size_t>(axis)].start - (axis == 0 ? rows.first : 0)) *
                  local[static_cast<std::size_t>(axis)];
  }
  return out;
}

PieceLayout BlockGeometry::in_matrix(const PieceGeometry& piece) const {
  PieceLayout out;
  const auto axes = view_axes();
  out.sizes = sizes(piece);
  out.strides.resize(axes.size());
  std::int64_t stride = 1;
  for (auto i = axes.size(); i > 0; --i) {
    out.strides[i - 1] = stride;
    stride *= axes[i - 1].size;
  }
  out.offset = offset(piece);
  return out;
}

at::Tensor BlockGeometry::of_parameter(const at::Tensor& local, const RowRange& rows,
                                       const PieceGeometry& piece) const {
  const auto at = in_parameter(local.strides(), rows, piece);
  return local.as_strided(at.sizes, at.strides, local.storage_offset() + at.offset);
}

at::Tensor BlockGeometry::of_matrix(const at::Tensor& matrix, const PieceGeometry& piece) const {
  const auto at = in_matrix(piece);
  return matrix.as_strided(at.sizes, at.strides, matrix.storage_offset() + at.offset);
}

std::vector<std::int64_t> BlockGeometry::sizes(const PieceGeometry& piece) const {
  std::vector<std::int64_t> out;
  for (const auto& axis : view_axes()) {
    out.push_back(axis.narrow == ViewAxis::Narrow::runs     ? piece.runs
                  : axis.narrow == ViewAxis::Narrow::inside ? piece.length
                                                            : axis.size);
  }
  return out;
}

std::int64_t BlockGeometry::elements(const PieceGeometry& piece) const {
  std::int64_t product = 1;
  for (const auto size : sizes(piece)) product *= size;
  return product;
}

std::int64_t BlockGeometry::offset(const PieceGeometry& piece) const {
  const auto axes = view_axes();
  std::int64_t stride = 1;
  std::int64_t out = 0;
  for (auto i = axes.size(); i > 0; --i) {
    const auto& axis = axes[i - 1];
    if (axis.narrow == ViewAxis::Narrow::runs) out += piece.run * stride;
    if (axis.narrow == ViewAxis::Narrow::inside) out += piece.begin * stride;
    stride *= axis.size;
  }
  return out;
}

}  // namespace switchyard
