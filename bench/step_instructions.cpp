/// What ./dev instructions counts: ten steps of AdamW over 1,000 tensors on one thread, instrumented by valgrind
/// between the two requests only, so that loading LibTorch costs little.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <string>
#include <vector>

#include "core/run/composed_optimizer.h"

int main() {
  using namespace switchyard;
  at::set_num_threads(1);
  std::vector<NamedTensor> tensors;
  ParameterGroup group{.id = "all", .plugin = "adamw"};
  for (std::int64_t i = 0; i < 1000; ++i) {
    const std::int64_t n = 64 + (i * 7919) % 4033;  // 64 to 4096, the same everywhere
    NamedTensor named;
    named.name = "p" + std::to_string(i);
    named.tensor = at::ones({n}).set_requires_grad(true);
    named.tensor.mutable_grad() = at::full({n}, 0.5);
    group.parameters.push_back(named.name);
    tensors.push_back(std::move(named));
  }
  ComposedOptimizer optimizer({group}, 1e-3, tensors, builtin_registry());
  for (int step = 0; step < 2; ++step) optimizer.step();
  CALLGRIND_START_INSTRUMENTATION;
  for (int step = 0; step < 10; ++step) optimizer.step();
  CALLGRIND_STOP_INSTRUMENTATION;
  std::printf("%lld steps\n", static_cast<long long>(optimizer.applied_steps()));
  return optimizer.applied_steps() == 12 ? 0 : 1;
}
