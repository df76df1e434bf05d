#pragma once
/// Views of every kind, and what they mean, written without core/run: index lists.

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "core/block.h"

namespace switchyard::testing {

struct ViewCase {
  std::string name;
  std::vector<std::int64_t> shape;
  MatrixView view;
};

/// Parts of these sizes, repeated in each of `runs` equal runs of the axis.
inline std::vector<SplitPart> parts_of(const std::vector<std::int64_t>& sizes, std::int64_t runs = 1) {
  std::int64_t run = 0;
  for (const auto size : sizes) run += size;
  std::vector<SplitPart> out;
  std::int64_t start = 0;
  for (const auto size : sizes) {
    out.push_back({"part" + std::to_string(out.size()), {start, size, runs > 1 ? run : 0, runs}});
    start += size;
  }
  return out;
}

inline std::vector<ViewCase> view_cases() {
  const auto view = [](std::vector<int> out, std::vector<int> in, std::vector<int> batch = {}) {
    MatrixView v;
    v.out = std::move(out);
    v.in = std::move(in);
    v.batch = std::move(batch);
    return v;
  };
  const auto split = [](MatrixView v, int axis, std::vector<SplitPart> parts) {
    v.split_axis = axis;
    v.parts = std::move(parts);
    return v;
  };
  const auto heads = [](MatrixView v, int axis, std::int64_t size) {
    v.heads_axis = axis;
    v.head_size = size;
    return v;
  };
  const auto plain = view({0}, {1});
  return {
      {"transposed", {7, 12}, view({1}, {0})},
      {"equal", {12, 7}, split(plain, 0, parts_of({4, 4, 4}))},
      {"sized", {6, 11}, split(plain, 1, parts_of({4, 5, 2}))},
      {"interleaved", {15, 6}, split(plain, 0, parts_of({2, 1, 2}, 3))},
      {"interleaved_in", {6, 12}, split(plain, 1, parts_of({3, 1}, 3))},
      {"heads", {12, 5}, heads(plain, 0, 3)},
      {"heads_in", {5, 12}, heads(plain, 1, 4)},
      {"split_heads", {12, 7}, heads(split(plain, 0, parts_of({8, 4})), 0, 2)},
      {"interleaved_heads", {24, 5}, heads(split(plain, 0, parts_of({4, 2}, 4)), 0, 2)},
      {"interleaved_wide_heads", {24, 5}, heads(split(plain, 0, parts_of({4, 2}, 4)), 0, 8)},
      {"conv1d_qkv", {8, 18}, heads(split(view({1}, {0}), 1, parts_of({6, 6, 6})), 1, 3)},
      {"experts", {3, 5, 4}, view({2}, {1}, {0})},
      {"batch_last", {4, 5, 3}, view({0}, {1}, {2})},
      {"conv", {4, 3, 2, 2}, view({0}, {1, 2, 3})},
      {"conv_split", {6, 3, 2, 2}, split(view({0}, {1, 2, 3}), 0, parts_of({4, 2}))},
      {"expert_split", {3, 6, 4}, split(view({1}, {2}, {0}), 1, parts_of({2, 4}))},
  };
}

/// The block as a packed matrix, by index lists: nothing of core/run is used.
inline at::Tensor matrix_of(const at::Tensor& whole, const MatrixView& view, const Block& block) {
  auto cut = whole;
  for (std::size_t axis = 0; axis < block.cuts.size(); ++axis) {
    std::vector<std::int64_t> indices;
    for (std::int64_t k = 0; k < block.cuts[axis].times; ++k) {
      for (std::int64_t i = 0; i < block.cuts[axis].length; ++i)
        indices.push_back(block.cuts[axis].start + k * block.cuts[axis].stride + i);
    }
    cut = cut.index_select(static_cast<std::int64_t>(axis), at::tensor(indices, at::kLong));
  }
  std::vector<std::int64_t> order;
  for (const auto* roles : {&view.out, &view.in, &view.batch}) order.insert(order.end(), roles->begin(), roles->end());
  return cut.permute(order).reshape({block.out, block.in}).contiguous().clone();
}

}  // namespace switchyard::testing
