#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/values.h"
#include "tests/support/conformance.h"

/// What may not change a bit, and what a step may take.
namespace switchyard::conformance {

namespace {

Setup usual(const Subject& subject, std::uint64_t seed, at::ScalarType dtype = at::kFloat) {
  Setup setup;
  setup.seed = seed;
  setup.items = small_items(subject, dtype);
  setup.options = lively_options(subject.descriptor);
  return setup;
}

/// Counts what ATen allocates on this thread between construction and destruction.
class AllocationWatch final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t, c10::Device) override {
    now_ += bytes;
    peak_ = std::max(peak_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t now() const { return now_; }
  std::int64_t peak() const { return peak_; }

 private:
  std::int64_t now_ = 0;
  std::int64_t peak_ = 0;
};

}  // namespace

void dtype_and_strides_stay(const Subject& subject) {
  const testing::Threads one(1);
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const auto setup = usual(subject, 400, dtype);
    Bench bench(subject, setup);
    std::vector<TensorIdentity> before;
    for (const auto& named : bench.tensors()) before.push_back(TensorIdentity::of(named.tensor));
    bench.step(1);
    INFO("plugin ", subject.descriptor.name, ", dtype ", c10::toString(dtype));
    for (std::size_t i = 0; i < before.size(); ++i) CHECK(before[i].difference(bench.tensors()[i].tensor) == "");
    // And every parameter did move, or the law says nothing.
    CHECK(first_difference(bench.outcome().params, start_of(setup)) != "");
  }
}

void layout_changes_no_bit(const Subject& subject) {
  const testing::Threads one(1);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto setup = usual(subject, 401, dtype);
    const auto packed = run(subject, setup);
    auto tensors = tensors_of(setup);
    std::vector<at::Tensor> keep;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const auto values = tensors[i].tensor.detach();
      at::Tensor odd;
      if (values.dim() == 2 && i % 2 == 0) {
        odd = values.t().contiguous().t();  // column-major
      } else {
        auto sizes = values.sizes().vec();
        sizes.push_back(3);
        odd = at::zeros(sizes, values.options()).select(-1, 1);  // every third element of a storage, with an offset
        odd.copy_(values);
      }
      tensors[i].tensor = odd.detach().set_requires_grad(true);
    }
    ComposedOptimizer optimizer(plan_of(subject, setup, tensors), tensors, subject.registry,
                                {.machine = subject.machine});
    Bench gradients(subject, setup);
    for (int step = 1; step <= setup.steps; ++step) {
      gradients.set_gradients(step);
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        const auto gradient = gradients.param(tensors[i].name).grad();
        // A gradient of yet another layout.
        tensors[i].tensor.mutable_grad() =
            gradient.dim() == 2 && i % 3 == 0 ? gradient.t().contiguous().t() : gradient.clone();
      }
      optimizer.step();
    }
    INFO("plugin ", subject.descriptor.name, ", dtype ", c10::toString(dtype));
    for (const auto& named : tensors) CHECK(testing::same_bits(named.tensor.detach(), packed.params.at(named.name)));
    std::map<std::string, at::Tensor> state;
    for (auto& [name, tensor] : optimizer.state()) state.emplace(name, tensor);
    CHECK(first_difference(state, packed.state) == "");
  }
}

void rerun_changes_no_bit(const Subject& subject) {
  const auto setup = usual(subject, 402);
  INFO("plugin ", subject.descriptor.name);
  CHECK(first_difference(run(subject, setup), run(subject, setup)) == "");
}

void order_changes_no_bit(const Subject& subject) {
  auto setup = usual(subject, 403);
  const auto given = run(subject, setup);
  auto random = testing::random_engine(403);
  for (int trial = 0; trial < 3; ++trial) {
    std::shuffle(setup.items.begin(), setup.items.end(), random);
    INFO("plugin ", subject.descriptor.name, ", trial ", trial);
    CHECK(first_difference(run(subject, setup), given) == "");
  }
}

void threads_change_little(const Subject& subject) {
  Setup setup;
  setup.seed = 404;
  setup.options = lively_options(subject.descriptor);
  setup.items = {{"large", {128, 320}}, {"small", {33, 65}}};
  const auto start = start_of(setup);
  const auto one = run(subject, setup);
  const testing::Threads two(2);
  Bench bench(subject, setup);
  for (int step = 1; step <= setup.steps; ++step) bench.step(step);
  INFO("plugin ", subject.descriptor.name);
  if (subject.matrix()) {
    CHECK(relative_movement(bench.outcome().params, one.params, start) <=
          1e-3);  // BLAS may round otherwise; 484.9 x 1e-6
  } else {
    CHECK(first_difference(bench.outcome(), one) == "");
  }
}

void memory_stays_within_the_printed_workspace(const Subject& subject) {
  const testing::Threads one(1);
  Setup setup;
  setup.seed = 405;
  setup.options = lively_options(subject.descriptor);
  constexpr std::int64_t block = 64 * 96 * 4;
  for (int i = 0; i < 24; ++i) setup.items.push_back({"p" + std::to_string(i), {64, 96}});
  std::map<std::int64_t, Outcome> outcomes;
  for (const auto workspace : {std::int64_t{1}, 5 * block, std::int64_t{256} << 20}) {
    setup.workspace = workspace;
    Bench bench(subject, setup);
    bench.step(1);  // lazy initialisation of libraries
    bench.set_gradients(2);
    const auto printed = bench.optimizer().peak_workspace();
    auto watch = std::make_shared<AllocationWatch>();
    {
      const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, watch);
      bench.optimizer().step();
    }
    INFO("plugin ", subject.descriptor.name, ", workspace ", workspace, ", printed ", printed, ", peak ",
         watch->peak());
    const auto& scratch = subject.descriptor.scratch;
    const auto& settings = bench.optimizer().plan().parameters[0].settings;
    const auto own = !scratch           ? 0
                     : subject.matrix() ? scratch(64, 96, Dtype::float32, settings, subject.machine)
                                        : scratch(64 * 96, 1, Dtype::float32, settings, subject.machine);
    CHECK((printed > own) == subject.matrix());
    CHECK(printed - own <= std::max(workspace, 2 * block));
    CHECK(watch->peak() <= printed + 4096);  // a few numbers besides
    CHECK(watch->now() <= 4096);             // nothing stays
    outcomes.emplace(workspace, bench.outcome());
  }
  for (const auto& [workspace, outcome] : outcomes) CHECK(first_difference(outcome, outcomes.begin()->second) == "");
}

}  // namespace switchyard::conformance
