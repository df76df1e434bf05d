#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/run/communicator.h"
#include "core/run/parameter_state.h"
#include "kernels/squares_of_many.h"

namespace switchyard {

/// What one reading of all gradients says, equal on all ranks.
struct GradCheck {
  std::int64_t refusals = 0;      ///< ranks that refuse the step: nothing else is filled in then
  bool same_digest = true;        ///< false: ranks gave different digests; nothing else is filled in then
  std::vector<char> active;       ///< by parameter: has a gradient in this step and is trained
  bool any = false;               ///< some parameter is active
  std::int64_t without_grad = 0;  ///< trained parameters without a gradient
  bool nonfinite = false;
  std::vector<std::size_t> nonfinite_parameters;  ///< in the order of the plan
  double norm = 0;                  ///< of all raw gradients together, each parameter once; exact, rounded once
  std::vector<double> group_norms;  ///< the same by group; only if asked for
};

/// What a rank brings to the check besides its gradients.
struct GradAsk {
  bool refused = false;           ///< this rank cannot take the step
  std::uint64_t digest = 0;       ///< must be equal on all ranks
  bool group_norms = false;       ///< equal on all ranks, as is the next
  bool compare_replicas = false;  ///< replicated parameters and their gradients must have the same bits on all ranks
};

/// Reads every gradient once before a step changes anything, and lets the ranks agree on it in one all-reduce. Its
/// buffers are kept: a check allocates nothing unless something is wrong.
class GradGuard {
 public:
  /// `parameters` and `communicator` outlive this.
  GradGuard(std::vector<ParameterState>& parameters, std::size_t groups, Communicator& communicator);

  /// Throws, before anything changes: InvalidParameterError where a tensor is no longer what was bound, where a
  /// parameter planned as frozen has become trainable, or where a gradient has another shape, a dtype that is not
  /// floating, another device or the parameter's own memory; SparseGradientError for sparse gradients. All problems of
  /// this rank in one message. Local.
  void check_world() const;

  /// Leaves this step's gradients in ParameterState::gradient (of a tied parameter the sum over its tensors), copies
  /// nothing but gradients on other devices and such sums. Collective: one all-reduce of the norm's accumulator, flags
  /// and two counts a parameter; more only if float64 gradients or non-finite values were met anywhere, or group norms
  /// are wanted. Throws InvalidParameterError (on all ranks) where a gradient is present on some ranks only, and where
  /// replicas differ. Valid until the next call.
  const GradCheck& check(const GradAsk& ask);

 private:
  enum Word : std::size_t;
  void take_gradients();
  void read(const GradAsk& ask);
  void fill_words(const GradAsk& ask);
  void add_replica_words();
  void compare_presence();
  void compare_replicas();
  void norms(const GradAsk& ask, bool wide_anywhere);

  std::vector<ParameterState>& parameters_;
  std::size_t groups_;
  Communicator& communicator_;
  GradCheck check_;
  std::vector<kernels::SquaresItem> items_;
  std::vector<std::size_t> of_item_;  ///< parameter of each item
  std::vector<kernels::SquaresSums> sums_;
  kernels::SquaresSums total_;
  std::vector<std::int64_t> words_;
  std::vector<std::int64_t> hashes_;  ///< of replicas: gradient and value of each parameter
};

}  // namespace switchyard
