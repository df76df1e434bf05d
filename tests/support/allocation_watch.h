#pragma once
/// Counts what ATen allocates on a thread.

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace switchyard::testing {

class AllocationCount {
 public:
  /// Counts on this thread, and on those of its parallel regions, while the guard lives.
  [[nodiscard]] c10::DebugInfoGuard watch() { return {c10::DebugInfoKind::PROFILER_STATE, counter_}; }

  [[nodiscard]] std::int64_t now() const { return counter_->now; }
  [[nodiscard]] std::int64_t peak() const { return counter_->peak; }
  [[nodiscard]] std::int64_t allocations() const { return counter_->allocations; }

 private:
  struct Counter final : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t, c10::Device) override {
      now += bytes;
      allocations += bytes > 0 ? 1 : 0;
      peak = std::max(peak, now);
    }
    bool memoryProfilingEnabled() const override { return true; }
    std::int64_t now = 0;
    std::int64_t peak = 0;
    std::int64_t allocations = 0;
  };
  std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
};

}  // namespace switchyard::testing
