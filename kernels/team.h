#pragma once
/// Independent units of work over the intra-op threads, whoever comes first takes the next.

#include "kernels/denormals.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <cstdint>

namespace switchyard::kernels {

class Team {
 public:
  /// At most `workers` at once; 1 runs on the calling thread alone.
  explicit Team(int workers) : workers_(workers) {}

  [[nodiscard]] int workers() const { return workers_; }

  /// unit(u, worker) for u in [0, units), each once, in no fixed order, worker in [0, workers()); returns when all are
  /// done. Which worker takes a unit changes from run to run: no result may depend on it.
  template <class F>
  void run(std::int64_t units, F&& unit) const {
    if (workers_ == 1 || units == 1) {
      const KeepDenormals keep;
      for (std::int64_t u = 0; u < units; ++u) unit(u, 0);
      return;
    }
    std::atomic<std::int64_t> next{0};
    at::parallel_for(0, workers_, 1, [&](std::int64_t begin, std::int64_t end) {
      const KeepDenormals keep;
      for (std::int64_t worker = begin; worker < end; ++worker) {
        for (std::int64_t u = next.fetch_add(1); u < units; u = next.fetch_add(1)) unit(u, static_cast<int>(worker));
      }
    });
  }

 private:
  int workers_;
};

}  // namespace switchyard::kernels
