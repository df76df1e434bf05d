#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/plan.h"
#include "core/run/optimizer_state.h"
#include "core/run/parameter_state.h"
#include "core/run/saved_state.h"
#include "core/run/state_store.h"

namespace switchyard {

/// Which saved tensor each tensor of this plan's state takes its values from. A parameter is found under any of its
/// names, after LoadOptions::rename. Making a match checks everything: that the same parameters are trained with state
/// of the same kind (the lines of the index; for tensors alone the tensors), that every tensor is there with its dtype
/// and shape, none is left over, and no count is negative.
class StateMatch {
 public:
  /// Looks only. Throws CheckpointError with every difference; those of one cause in one line.
  StateMatch(const SavedState& saved, const Plan& now, const Registry& registry,
             const std::vector<ParameterState>& parameters, const LoadOptions& options);

  /// The values for a tensor of state: contiguous, on the CPU, of its dtype and shape. For a master that is not saved
  /// zeros: make_masters() gives it its values.
  at::Tensor values(const StateEntry& entry) const;
  /// Masters that the checkpoint does not have become their parameters' values. After scatter_state().
  void make_masters(std::vector<ParameterState>& parameters) const;
  /// What was renamed, converted, made or left out; one line a cause.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  /// Where a parameter of this plan finds its state.
  struct Source {
    std::string key;        ///< of then
    bool converts = false;  ///< it may have another dtype than it had
  };
  struct Saved;
  std::vector<Saved> saved_parameters() const;
  void match(const Plan& now, const Registry& registry, const std::vector<ParameterState>& parameters,
             const LoadOptions& options);
  void check_tensors(const std::vector<ParameterState>& parameters, const LoadOptions& options);
  /// The source of the parameter whose tensor this is, and the tensor's name with the key of then.
  std::pair<const Source*, std::string> source_of(const std::string& name) const;

  const SavedState& saved_;
  std::unordered_map<std::string, Source> sources_;  ///< by key
  std::vector<std::string> notes_;
};

}  // namespace switchyard
