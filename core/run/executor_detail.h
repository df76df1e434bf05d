#pragma once

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <exception>
#include <string>
#include <vector>

#include "core/execution.h"
#include "core/run/executor.h"

namespace switchyard {

/// A planned batch on this rank.
struct Executor::Batch {
  PlannedBatch plan;
  at::ScalarType work = at::kFloat;
  std::vector<std::size_t> owned;  ///< positions in plan.entries that this rank owns: the slots of its stack
  std::vector<at::Tensor> slots;   ///< owner slots, [owned, ...], by active slot
};

/// A group of calls on this rank.
struct Executor::Group {
  ExecutionGroup plan;
  Optimizer* plugin = nullptr;
  std::vector<Batch> batches;
};

/// [count, sizes...] with packed rows whose entries start on 64-byte boundaries: BLAS changes bits with an operand's
/// alignment.
at::Tensor padded_stack(std::int64_t count, const std::vector<std::int64_t>& sizes, at::ScalarType dtype);

/// Calls `body` and turns whatever it throws into a PluginFailure that says where.
template <class Body>
void guarded(const OptimizerDescriptor& descriptor, const char* phase, const std::string& parameter, Body&& body) {
  const auto fail = [&](const char* what) {
    throw PluginFailure(
        fmt::format("plugin `{}` failed in {} at parameter `{}`: {}", descriptor.name, phase, parameter, what));
  };
  try {
    body();
  } catch (const CommunicatorError&) {
    throw;
  } catch (const std::exception& error) {
    fail(error.what());
  } catch (...) {
    fail("an exception that is not a std::exception");
  }
}

}  // namespace switchyard
