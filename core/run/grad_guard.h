#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/run/communicator.h"
#include "core/run/parameter_state.h"

namespace switchyard {

/// What one reading of all gradients says, equal on all ranks.
struct GradCheck {
  std::vector<char> active;  ///< by parameter: has a gradient in this step and is trained
  bool any = false;          ///< some parameter is active
  bool nonfinite = false;
  std::vector<std::string> nonfinite_names;  ///< display names, in the order of the plan
  std::vector<std::string> without_grad;     ///< trained parameters without a gradient, display names
  double norm = 0;                  ///< of all raw gradients together, each parameter once; exact, rounded once
  std::vector<double> group_norms;  ///< the same by group; only if asked for
};

/// Throws, before anything changes: InvalidParameterError where a tensor is no longer what was bound, where a parameter
/// planned as frozen has become trainable, or where a gradient has another shape, a dtype that is not floating, another
/// device or the parameter's own memory; SparseGradientError for sparse gradients. All problems of this rank in one
/// message. Local.
void check_world(const std::vector<ParameterState>& parameters);

/// Reads every gradient once, copies nothing (but gradients on other devices to the host), and leaves them in
/// ParameterState::gradient for the step. Collective: one all-reduce of the norm's accumulator and two counts a
/// parameter; a second one only if float64 gradients or non-finite values were met anywhere, or group norms are wanted.
/// Throws InvalidParameterError (on all ranks) where a gradient is present on some ranks only.
GradCheck check_gradients(std::vector<ParameterState>& parameters, std::size_t groups, bool group_norms,
                          Communicator& communicator);

}  // namespace switchyard
