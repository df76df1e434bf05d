#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/execution.h"
#include "core/run/communicator.h"
#include "core/run/parameter_state.h"
#include "core/run/step_measure.h"

namespace switchyard {

/// A plugin (or memory) failed after the point of no return; names plugin, phase and parameter.
class PluginFailure : public OptimizerError {
 public:
  using OptimizerError::OptimizerError;
};

/// What one step is given besides the gradients in the parameters.
struct StepInput {
  std::int64_t t = 0;
  double grad_scale = 1;
  const std::vector<char>* active = nullptr;  ///< by parameter
  StepMeasure* measure = nullptr;             ///< null: measure nothing
};

/// Runs the phases of all plugins over blocks: forms batches, moves pieces to owners and back, keeps owner slots in
/// stacks. One rank is the same code with empty exchanges.
class Executor {
 public:
  /// `parameters` and `groups` outlive the executor. `workspace` bounds the bytes of a stack (at least one block);
  /// `machine` resolves what plugins have called `auto`.
  Executor(std::vector<ParameterState>& parameters, const std::vector<PlannedGroup>& groups, const Registry& registry,
           Communicator& communicator, std::int64_t workspace, Machine machine);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// (Re-)forms the execution groups (core/execution.h) after options have changed. Owner slots keep their values.
  void form();

  /// Applies one step to the active parameters, raises their counts, rounds masters into the stored parameters.
  /// Throws PluginFailure; parameters are then in an undefined state.
  void step(const StepInput& input);

  /// What a step holds at once on this rank besides state and the buffers of exchanges: stacks with the blocks that it
  /// owns, pieces of the others, and the plugin's temporaries.
  Workspace peak_workspace() const;

  /// lr(p, t) and the decay factor of a parameter.
  std::pair<double, double> rates(const ParameterState& parameter, std::int64_t t) const;

 private:
  struct Batch;
  struct Group;
  void assign_owners();
  Batch stacked(const PlannedBatch& batch);
  void run_flat(Group& group, const StepInput& input, const Step& step);
  void run_stacks(Group& group, const StepInput& input, const Step& step);
  void run_batch(Group& group, Batch& batch, const StepInput& input, const Step& step);
  Piece piece_of(const ParameterState& parameter, const BlockInfo* block, std::int64_t t) const;
  void refresh(ParameterState& parameter);
  void finish_pieces(Group& group, std::vector<Piece>& pieces, const std::vector<std::size_t>& of_parameter,
                     const StepInput& input, const Step& step);

  std::vector<ParameterState>& parameters_;
  const std::vector<PlannedGroup>& groups_;
  const Registry& registry_;
  Communicator& communicator_;
  std::int64_t workspace_;
  Machine machine_;
  std::map<std::string, std::unique_ptr<Optimizer>> plugins_;
  std::vector<std::unique_ptr<BlockInfo>> flat_infos_;  ///< by parameter; what element-wise plugins are told
  std::vector<Group> execution_;
};

}  // namespace switchyard
