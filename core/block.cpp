#include "core/block.h"

#include <algorithm>

namespace switchyard {

bool MatrixView::operator==(const MatrixView& other) const {
  const auto same_part = [](const SplitPart& a, const SplitPart& b) { return a.name == b.name && a.cut == b.cut; };
  return batch == other.batch && out == other.out && in == other.in && split_axis == other.split_axis &&
         heads_axis == other.heads_axis && head_size == other.head_size &&
         std::equal(parts.begin(), parts.end(), other.parts.begin(), other.parts.end(), same_part);
}

std::optional<MatrixView> default_view(std::size_t ndim, std::string_view module) {
  if (ndim != 2) return std::nullopt;
  MatrixView view;
  const bool transposed = module == "Conv1D";
  view.out = {transposed ? 1 : 0};
  view.in = {transposed ? 0 : 1};
  return view;
}

AxisCut head_of(const AxisCut& cut, std::int64_t head_size, std::int64_t head) {
  if (cut.times == 1 || head_size <= cut.length) {
    const auto per_run = cut.length / head_size;
    return {cut.start + (head / per_run) * cut.stride + (head % per_run) * head_size, head_size, 0, 1};
  }
  const auto runs = head_size / cut.length;
  return {cut.start + head * runs * cut.stride, cut.length, cut.stride, runs};
}

std::vector<Block> enumerate_blocks(const MatrixView& view, const std::vector<std::int64_t>& shape) {
  std::vector<SplitPart> parts = view.parts;
  if (parts.empty()) parts.push_back({"", {}});
  std::int64_t batches = 1;
  for (const auto axis : view.batch) batches *= shape[static_cast<std::size_t>(axis)];

  std::vector<Block> blocks;
  for (const auto& part : parts) {
    std::vector<AxisCut> cuts;
    for (const auto size : shape) cuts.push_back({0, size, 0, 1});
    if (view.split_axis >= 0) cuts[static_cast<std::size_t>(view.split_axis)] = part.cut;
    const auto heads_cut = view.heads_axis >= 0 ? cuts[static_cast<std::size_t>(view.heads_axis)] : AxisCut{};
    const auto heads = view.heads_axis >= 0 ? heads_cut.size() / view.head_size : 1;
    for (std::int64_t batch = 0; batch < batches; ++batch) {
      std::string batch_name;
      auto rest = batch;
      for (auto i = view.batch.size(); i > 0; --i) {
        const auto axis = static_cast<std::size_t>(view.batch[i - 1]);
        const auto index = rest % shape[axis];
        rest /= shape[axis];
        cuts[axis] = {index, 1, 0, 1};
        batch_name = "b" + std::to_string(index) + (batch_name.empty() ? "" : "/" + batch_name);
      }
      for (std::int64_t head = 0; head < heads; ++head) {
        Block block;
        block.cuts = cuts;
        if (view.heads_axis >= 0) {
          block.cuts[static_cast<std::size_t>(view.heads_axis)] = head_of(heads_cut, view.head_size, head);
        }
        for (const auto& piece :
             {part.name, batch_name, view.heads_axis >= 0 ? "h" + std::to_string(head) : std::string()}) {
          if (!piece.empty()) block.name += (block.name.empty() ? "" : "/") + piece;
        }
        block.out = 1;
        for (const auto axis : view.out) block.out *= block.cuts[static_cast<std::size_t>(axis)].size();
        block.in = 1;
        for (const auto axis : view.in) block.in *= block.cuts[static_cast<std::size_t>(axis)].size();
        blocks.push_back(std::move(block));
      }
    }
  }
  return blocks;
}

}  // namespace switchyard
