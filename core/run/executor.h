#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/execution.h"
#include "core/machine.h"
#include "core/run/attached_phase.h"
#include "core/run/block_stack.h"
#include "core/run/communicator.h"
#include "core/run/parameter_state.h"
#include "core/run/phase.h"
#include "core/run/rate_table.h"
#include "core/run/step_measure.h"

namespace switchyard {

/// What one step is given besides the gradients in the parameters.
struct StepInput {
  std::int64_t t = 0;
  double grad_scale = 1;
  const char* active = nullptr;    ///< by parameter
  StepMeasure* measure = nullptr;  ///< null: measure nothing
};

/// What does not come from the plan.
struct ExecutorOptions {
  std::int64_t workspace = default_workspace;  ///< bounds the bytes of a stack (at least one block)
  Formulas formulas = Formulas::compiled;
  std::vector<Attached> attached{};  ///< constraints, then monitors, in this order after all plugins
  Machine machine{};                 ///< resolves what plugins call `auto`
};

/// Runs the phases of all plugins over blocks. What can be decided before a step is decided in form(): rates, pieces,
/// options, stacks, exchanges and the memory that they need. A step then evaluates the rates, notes where gradients lie
/// and calls the phases; it allocates nothing of its own and looks at no name. One rank is the same code with empty
/// exchanges.
class Executor {
 public:
  /// `parameters` and `groups` outlive the executor.
  Executor(std::vector<ParameterState>& parameters, const std::vector<PlannedGroup>& groups, const Registry& registry,
           Communicator& communicator, const ExecutorOptions& options);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// (Re-)forms everything after options or tensors have changed. Owner slots keep their values.
  void form();

  /// Applies one step to the active parameters, raises their counts, rounds masters into the stored parameters.
  /// Throws PluginFailure; parameters are then in an undefined state.
  void step(const StepInput& input);

  /// What a step holds at once on this rank besides state and the buffers of exchanges: the arena of the stacks, kept
  /// from form() on, and the plugin's temporaries.
  Workspace peak_workspace() const;

 private:
  struct Group;
  void assign_owners();
  void take_numbers(const StepInput& input);
  void run_elements(Group& group, const StepInput& input, const Step& step);
  void run_stacks(Group& group, const StepInput& input, const Step& step);
  void finish_pieces(Group& group, Pieces pieces, std::span<const std::size_t> of_parameter, const StepInput& input,
                     const Step& step);
  void put_back(const StepInput& input);

  std::vector<ParameterState>& parameters_;
  const std::vector<PlannedGroup>& groups_;
  const Registry& registry_;
  Communicator& communicator_;
  ExecutorOptions options_;
  std::map<std::string, std::unique_ptr<Optimizer>> plugins_;
  std::vector<std::unique_ptr<BlockInfo>> whole_infos_;  ///< by parameter; what element-wise plugins are told
  RateTable rates_;
  std::vector<std::size_t> rate_of_;  ///< by parameter
  std::vector<Numbers> numbers_;      ///< by parameter, of the step that runs
  Arena arena_;
  std::int64_t arena_bytes_ = 0;
  std::vector<std::unique_ptr<Group>> execution_;
  std::vector<std::unique_ptr<AttachedPhase>> attached_;
};

}  // namespace switchyard
