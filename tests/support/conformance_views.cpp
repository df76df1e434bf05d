#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/values.h"
#include "tests/support/conformance.h"
#include "tests/support/view_cases.h"

/// A block of a parameter is updated as if it were a parameter: splits, heads, batches and transposed roles change no
/// bit.
namespace switchyard::conformance {

namespace {

/// Where a block comes from.
struct Source {
  std::string name;
  MatrixView view;
  Block block;
};

}  // namespace

void views_equal_separate_parameters(const Subject& subject) {
  if (!subject.matrix()) return;
  const testing::Threads one(1);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    Setup setup;
    setup.seed = 500;
    setup.options = lively_options(subject.descriptor);
    for (const auto& test : testing::view_cases()) setup.items.push_back({test.name, test.shape, dtype, test.view});
    const auto viewed = run(subject, setup);

    Setup apart = setup;
    apart.items.clear();
    std::vector<NamedTensor> tensors;
    std::vector<Source> sources;
    for (const auto& test : testing::view_cases()) {
      const auto start = values_for(setup.seed, test.name, 0, test.shape).to(dtype);
      for (const auto& block : enumerate_blocks(test.view, test.shape)) {
        const auto name = test.name + "_" + std::to_string(tensors.size());
        apart.items.push_back({name, {block.out, block.in}, dtype});
        NamedTensor named;
        named.name = name;
        named.tensor = testing::matrix_of(start, test.view, block).set_requires_grad(true);
        tensors.push_back(std::move(named));
        sources.push_back({test.name, test.view, block});
      }
    }
    ComposedOptimizer optimizer(plan_of(subject, apart, tensors), tensors, subject.registry,
                                {.machine = subject.machine});
    for (int step = 1; step <= setup.steps; ++step) {
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        const auto& source = sources[i];
        const auto& item = *std::find_if(setup.items.begin(), setup.items.end(),
                                         [&](const Item& one_item) { return one_item.name == source.name; });
        tensors[i].tensor.mutable_grad() = testing::matrix_of(
            values_for(setup.seed, source.name, step, item.shape).to(dtype), source.view, source.block);
      }
      optimizer.step();
    }
    std::map<std::string, at::Tensor> state;
    for (auto& [name, tensor] : optimizer.state()) state.emplace(name, tensor);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const auto& source = sources[i];
      INFO("plugin ", subject.descriptor.name, ", dtype ", c10::toString(dtype), ", ", source.name, ", block ",
           source.block.name);
      CHECK(testing::same_bits(tensors[i].tensor.detach(),
                               testing::matrix_of(viewed.params.at(source.name), source.view, source.block)));
      const auto values = lively_options(subject.descriptor);
      for (const auto& slot : subject.descriptor.slots) {
        if (!slot.active(values, source.block.out, source.block.in)) continue;
        const auto own = state.at(tensors[i].name + "/" + slot.name);
        auto theirs =
            owner_slot(slot.shape)
                ? viewed.state.at(source.name + "/" + slot.name +
                                  (source.block.name.empty() ? "" : "/" + source.block.name))
                : testing::matrix_of(viewed.state.at(source.name + "/" + slot.name), source.view, source.block);
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
