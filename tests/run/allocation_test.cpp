#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/run/mixed_bench.h"

/// A step allocates nothing after the first: neither by operator new nor through ATen.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SWITCHYARD_COUNTS_NEW 0
#else
#define SWITCHYARD_COUNTS_NEW 1
#endif

namespace {

std::atomic<bool> counting{false};
std::atomic<std::int64_t> allocations{0};

}  // namespace

#if SWITCHYARD_COUNTS_NEW
// Replaced for the whole program; malloc is what the library's own do.
void* operator new(std::size_t size) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

using namespace switchyard;

namespace {

class AtenWatch final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t, c10::Device) override {
    if (bytes > 0) ++count;
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t count = 0;
};

struct Counted {
  std::int64_t by_new = 0;
  std::int64_t by_aten = 0;
};

/// What ten steps allocate after two that may.
Counted ten_steps(const conformance::Subject& subject, const conformance::Setup& setup) {
  const testing::Threads one(1);
  conformance::Bench bench(subject, setup);
  bench.step(1);
  bench.step(2);
  bench.set_gradients(3);
  auto watch = std::make_shared<AtenWatch>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, watch);
  allocations = 0;
  counting = true;
  for (int step = 0; step < 10; ++step) bench.optimizer().step();
  counting = false;
  return {allocations.load(), watch->count};
}

conformance::Items many(at::ScalarType dtype, const std::string& plugin = {}) {
  conformance::Items items;
  for (int i = 0; i < 40; ++i) items.push_back({"w" + std::to_string(i), {3 + i % 5, 7}, dtype, {}, plugin});
  return items;
}

}  // namespace

TEST_CASE("allocation: a step of element-wise plugins allocates nothing") {
  const auto registry = probed_registry();
  for (const auto* plugin : {"adamw", "lion", "sgd", "probe_coded"}) {
    for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
      const conformance::Subject subject(registry, *registry.find(plugin));
      conformance::Setup setup;
      setup.options = conformance::lively_options(subject.descriptor);
      setup.items = many(dtype);
      setup.clip = 1.0;
      Schedule warmup;
      warmup.kind = Schedule::Kind::piecewise;
      warmup.points = {{0, 0.1}, {8, 1.0}};
      setup.schedules = {{"lr", warmup}};
      const auto counted = ten_steps(subject, setup);
      INFO("plugin ", subject.descriptor.name, ", ", std::string(c10::toString(dtype)));
      CHECK(counted.by_aten == 0);
#if SWITCHYARD_COUNTS_NEW
      CHECK(counted.by_new == 0);
#endif
    }
  }
}

namespace {

struct Nothing {
  bool unused = false;
};
constexpr auto describe(of<Nothing>) { return options(option("unused", &Nothing::unused, "")); }

/// A matrix plugin whose phases do nothing: what is left is the executor's.
class Still final : public Optimizer {
 public:
  void transform(Stack& stack, const Step&) override { seen += stack.size(); }
  void finish(Pieces pieces, const Step&) override { seen += static_cast<std::int64_t>(pieces.size()); }
  std::int64_t seen = 0;
};

}  // namespace

TEST_CASE("allocation: stacks, pieces and exchanges of matrix plugins are made once") {
  Registry registry;
  registry.add(describe_optimizer<Still, Nothing>(
      {.name = "still",
       .doc = "Does nothing.",
       .slots = {{.name = "momentum"}, {.name = "row", .shape = SlotShape::per_out_row}},
       .traits = {.unit = Unit::matrix, .needs_lr = true, .master = true}}));
  const conformance::Subject subject(registry, *registry.find("still"));
  conformance::Setup setup;
  setup.items = many(at::kFloat);
  const auto counted = ten_steps(subject, setup);
  CHECK(counted.by_aten == 0);
#if SWITCHYARD_COUNTS_NEW
  CHECK(counted.by_new == 0);
#endif
}
