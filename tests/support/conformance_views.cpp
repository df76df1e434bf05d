#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "tests/kernels/values.h"
#include "tests/support/conformance.h"

/// A block of a parameter is updated as if it were a parameter: splits, heads, batches and transposed roles change no bit.
namespace switchyard::conformance {

namespace {

struct Case {
  std::string name;
  std::vector<std::int64_t> shape;
  MatrixView view;
};

/// Parts of these sizes, repeated in each of `runs` equal runs of the axis.
std::vector<SplitPart> parts_of(const std::vector<std::int64_t>& sizes, std::int64_t runs = 1) {
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

std::vector<Case> cases() {
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
at::Tensor matrix_of(const at::Tensor& whole, const MatrixView& view, const Block& block) {
  auto cut = whole;
  for (std::size_t axis = 0; axis < block.cuts.size(); ++axis) {
    std::vector<std::int64_t> indices;
    for (std::int64_t k = 0; k < block.cuts[axis].times; ++k) {
      for (std::int64_t i = 0; i < block.cuts[axis].length; ++i) indices.push_back(block.cuts[axis].start + k * block.cuts[axis].stride + i);
    }
    cut = cut.index_select(static_cast<std::int64_t>(axis), at::tensor(indices, at::kLong));
  }
  std::vector<std::int64_t> order;
  for (const auto* roles : {&view.out, &view.in, &view.batch}) order.insert(order.end(), roles->begin(), roles->end());
  return cut.permute(order).reshape({block.out, block.in}).contiguous().clone();
}

}  // namespace

void views_equal_separate_parameters(const Subject& subject) {
  if (!subject.matrix()) return;
  const testing::Threads one(1);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    Setup setup;
    setup.seed = 500;
    setup.options = lively_options(subject.descriptor);
    for (const auto& test : cases()) setup.items.push_back({test.name, test.shape, dtype, test.view});
    const auto viewed = run(subject, setup);

    Setup apart = setup;
    apart.items.clear();
    std::vector<NamedTensor> tensors;
    std::vector<std::tuple<std::string, MatrixView, Block>> sources;
    for (const auto& test : cases()) {
      const auto start = values_for(setup.seed, test.name, 0, test.shape).to(dtype);
      for (const auto& block : enumerate_blocks(test.view, test.shape)) {
        const auto name = test.name + "_" + std::to_string(tensors.size());
        apart.items.push_back({name, {block.out, block.in}, dtype});
        NamedTensor named;
        named.name = name;
        named.tensor = matrix_of(start, test.view, block).set_requires_grad(true);
        tensors.push_back(std::move(named));
        sources.emplace_back(test.name, test.view, block);
      }
    }
    ComposedOptimizer optimizer(plan_of(subject, apart, tensors), tensors, subject.registry);
    for (int step = 1; step <= setup.steps; ++step) {
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        const auto& [name, view, block] = sources[i];
        const auto& item = *std::find_if(setup.items.begin(), setup.items.end(), [&](const Item& one_item) { return one_item.name == name; });
        tensors[i].tensor.mutable_grad() = matrix_of(values_for(setup.seed, name, step, item.shape).to(dtype), view, block);
      }
      optimizer.step();
    }
    std::map<std::string, at::Tensor> state;
    for (auto& [name, tensor] : optimizer.state()) state.emplace(name, tensor);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const auto& [name, view, block] = sources[i];
      INFO("plugin ", subject.descriptor.name, ", dtype ", c10::toString(dtype), ", ", name, ", block ", block.name);
      CHECK(testing::same_bits(tensors[i].tensor.detach(), matrix_of(viewed.params.at(name), view, block)));
      for (const auto& slot : subject.descriptor.active_slots(lively_options(subject.descriptor))) {
        const auto own = state.at(tensors[i].name + "/" + slot.name);
        auto theirs = owner_slot(slot.shape) ? viewed.state.at(name + "/" + slot.name + (block.name.empty() ? "" : "/" + block.name))
                                             : matrix_of(viewed.state.at(name + "/" + slot.name), view, block);
        CHECK(testing::same_bits(own, theirs));
      }
    }
    for (const int ranks : {2, 4}) {
      auto shards = setup;
      shards.ranks = ranks;
      shards.sharded = true;
      INFO("plugin ", subject.descriptor.name, ", dtype ", c10::toString(dtype), ", ranks ", ranks);
      CHECK(first_difference(run(subject, shards), viewed) == "");
    }
  }
}

}  // namespace switchyard::conformance
