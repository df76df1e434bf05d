#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/run/communicator.h"
#include "kernels/exact_sum.h"

namespace switchyard {

/// Sums of squares of the updates and parameters of one step by group, with the same bits for any cut, ranks and
/// threads.
class StepMeasure {
 public:
  explicit StepMeasure(std::size_t groups) : groups_(groups) {}

  /// `before` is a copy of the parameter's piece from before the update; it is overwritten.
  void add(std::size_t group, const at::Tensor& before, const at::Tensor& after);
  /// Collective.
  void reduce(Communicator& communicator);

  /// Root mean squares of a group; 0 for a group without updated elements.
  double update_rms(std::size_t group) const;
  double param_rms(std::size_t group) const;

 private:
  struct Sums {
    kernels::ExactSum64 update;
    kernels::ExactSum64 param;
    std::int64_t elements = 0;
  };
  std::vector<Sums> groups_;
};

}  // namespace switchyard
