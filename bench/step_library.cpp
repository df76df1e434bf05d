/// Our side of bench/step.py, as a library with a C interface that Python loads beside its own torch: one process, one
/// LibTorch, the same threads and the caller's memory.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "core/run/composed_optimizer.h"

namespace {

using namespace switchyard;

struct Run {
  std::vector<NamedTensor> tensors;
  std::unique_ptr<ComposedOptimizer> optimizer;
};

std::string last_error;

/// Calls `body`; what it throws is kept for step_error().
template <class Body>
bool tried(Body&& body) {
  try {
    body();
    return true;
  } catch (const std::exception& error) {
    last_error = error.what();
    return false;
  }
}

at::Tensor over(void* data, const std::int64_t* sizes, std::int64_t ndim) {
  return at::from_blob(data, at::IntArrayRef(sizes, static_cast<std::size_t>(ndim)), at::kFloat);
}

}  // namespace

extern "C" {

const char* step_error() { return last_error.c_str(); }
void step_threads(int count) { at::set_num_threads(count); }

/// `count` float32 parameters: addresses, ndim and sizes (2 each, the second unused for vectors), and 1 for those of
/// Muon. `dtype` of its iteration. clip 0: none. Null on failure.
void* step_open(std::int64_t count, void** data, const std::int64_t* ndim, const std::int64_t* sizes, const char* muon,
                const char* dtype, double clip) {
  auto run = std::make_unique<Run>();
  const bool good = tried([&] {
    ParameterGroup matrices{
        .id = "matrices",
        .plugin = "muon",
        .options = {{"coefficients", std::string("jordan")}, {"dtype", std::string(dtype)}, {"weight_decay", 0.1}}};
    ParameterGroup rest{.id = "rest", .plugin = "adamw"};
    for (std::int64_t i = 0; i < count; ++i) {
      NamedTensor named;
      named.name = "p" + std::to_string(i);
      named.tensor = over(data[i], sizes + 2 * i, ndim[i]).set_requires_grad(true);
      (muon[i] != 0 ? matrices : rest).parameters.push_back(named.name);
      run->tensors.push_back(std::move(named));
    }
    std::vector<ParameterGroup> groups;
    for (auto* group : {&matrices, &rest}) {
      if (!group->parameters.empty()) groups.push_back(*group);
    }
    const auto registry = builtin_registry();
    Diagnostics diagnostics;
    const auto table = table_from_tensors(run->tensors, diagnostics);
    auto plan = plan_from_groups(groups, 1e-3, table, registry, diagnostics);
    if (!plan) throw SpecError(std::move(diagnostics), {});
    if (clip > 0) plan->gradients.clip_norm = clip;
    run->optimizer = std::make_unique<ComposedOptimizer>(std::move(*plan), run->tensors, registry);
  });
  return good ? run.release() : nullptr;
}

/// Gradients of the next steps, one address a parameter, laid out as the parameters are.
void step_gradients(void* handle, void** data) {
  auto& run = *static_cast<Run*>(handle);
  for (std::size_t i = 0; i < run.tensors.size(); ++i) {
    auto& tensor = run.tensors[i].tensor;
    tensor.mutable_grad() = over(data[i], tensor.sizes().data(), tensor.dim());
  }
}

/// 1 if a step was applied, 0 if not, -1 on failure.
int step_step(void* handle) {
  bool applied = false;
  const bool good = tried([&] { applied = static_cast<Run*>(handle)->optimizer->step().applied; });
  return good ? (applied ? 1 : 0) : -1;
}

void step_close(void* handle) { delete static_cast<Run*>(handle); }

}  // extern "C"
