#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/execution.h"
#include "core/metric.h"
#include "core/plan.h"
#include "core/plan_from_groups.h"
#include "core/run/attached_phase.h"
#include "core/run/communicator.h"
#include "core/run/machine.h"
#include "core/run/optimizer_state.h"
#include "core/run/parameter_state.h"

namespace torch::nn {
class Module;
}

namespace switchyard {

/// What a step did.
struct StepResult {
  bool applied =
      false;        ///< false: skipped (non-finite gradients), or no parameter had a gradient; then nothing has changed
  at::Tensor loss;  ///< what the closure returned; undefined without a closure
  double grad_norm =
      0;  ///< norm of all raw gradients / (accumulation x loss_scale), before clipping; NaN or infinite on a skip
  std::vector<std::string> nonfinite;  ///< display names of the parameters whose gradients had NaN or infinity
};

struct StepOptions {
  double loss_scale = 1;                  ///< what the loss was multiplied by before backward
  std::function<at::Tensor()> closure{};  ///< runs exactly once, with gradients enabled, before anything is checked
};

/// When replicated parameters and their gradients are compared between ranks, by a hash in the step's one all-reduce:
/// in the first calls of step and then in every so many; 0 for never. A difference is an error before any change, with
/// parameter and rank. It reads every replicated parameter and gradient once more.
struct ReplicaChecks {
  std::int64_t first = 3;
  std::int64_t every = 1000;
};

/// How to run a plan.
struct RunOptions {
  Communicator* communicator = nullptr;        ///< null: one rank. Must outlive the optimizer
  std::int64_t workspace = default_workspace;  ///< bytes that a stack may take (at least one block)
  std::vector<Attached> attached{};            ///< constraints and monitors around plugins, after each step
  Machine machine = this_machine();            ///< what resolves options called `auto`
  bool host_copies = false;  ///< work on copies in host memory even where it is not needed; what is done for tensors on
                             ///< other devices than the CPU, whose kernels this build does not have
  Formulas formulas = Formulas::compiled;            ///< how plugins' formulas are computed; the bits are the same
  ReplicaChecks replica_checks{};                    ///< with several ranks
  bool open_sinks = true;                            ///< open the sinks of the plan (on rank 0)
  std::vector<std::shared_ptr<MetricSink>> sinks{};  ///< more of them, called every step. One that throws ends no step:
                                                     ///< a warning says so, and the next record is tried again
  std::function<void(const std::string&)> warn{};    ///< default: one line on stderr; what it throws goes there, too
};

class Group;

/// Runs a plan: one optimizer over all parameters, whatever plugins they are routed to.
///
/// A step is atomic: all gradients of all plugins and ranks are checked before anything changes; on a skip nothing
/// changes anywhere. If a plugin fails after that, the optimizer is poisoned: step and save throw until load succeeds.
/// A failure on one rank ends the waits of all; the ranks that have heard of it (at the latest in their next collective
/// call) all load, and go on.
/// Gradients are never written. With several ranks whoever calls step averages gradients over them first; the gradient
/// of a tied parameter is the sum over the tensors that share its memory. Not safe for use from several threads at
/// once; with several ranks every call is collective unless it says otherwise. step, save, snapshot, load, load_state
/// and rebind from within one of them (from a closure, say) are an OptimizerError, and so is every call of an optimizer
/// that was moved from.
class ComposedOptimizer {
 public:
  using Closure = std::function<at::Tensor()>;

  /// Binds the plan to tensors by name and allocates all state. Throws InvalidParameterError (everything that does not
  /// fit, in one message), OptimizerError if ranks have different plans.
  ComposedOptimizer(Plan plan, const std::vector<NamedTensor>& tensors, const Registry& registry,
                    RunOptions options = {});
  ComposedOptimizer(Plan plan, const torch::nn::Module& module, const Registry& registry, RunOptions options = {});
  /// From groups built in code: the same plan without rules. Throws SpecError listing everything wrong; warnings and
  /// notes about the groups go to RunOptions::warn.
  ComposedOptimizer(const std::vector<ParameterGroup>& groups, double base_lr, const std::vector<NamedTensor>& tensors,
                    const Registry& registry, RunOptions options = {});
  ~ComposedOptimizer();
  ComposedOptimizer(ComposedOptimizer&&) noexcept;
  ComposedOptimizer& operator=(ComposedOptimizer&&) noexcept;

  /// Throws before any change: InvalidParameterError, SparseGradientError (see check_world), OptimizerError for
  /// non-finite gradients under the policy `error`, whatever the closure throws. Throws OptimizerError naming plugin,
  /// phase and parameter when a plugin fails; the optimizer is poisoned then. What sinks throw is reported through
  /// RunOptions::warn, and so are steps in which nothing has a gradient.
  StepResult step();
  StepResult step(const Closure& closure);
  StepResult step(const StepOptions& options);

  /// Drops the gradients of all parameters (frozen ones too). Local.
  void zero_grad();

  /// One handle an entry of the spec's `optimizers` (or of the groups built in code). A handle that outlives the
  /// optimizer throws OptimizerError; one of an optimizer that was moved goes with it.
  /// Local, but make the same writes on every rank; the next step compares.
  std::vector<Group> groups();
  Group group(const std::string& id);
  /// Sets base_lr and keeps every scale. Throws OptimizerError if the plan has no base_lr (write the groups' lr
  /// instead).
  void set_lr(double base_lr);

  /// Accepts moved or re-created tensors by name: same logical shapes, rows and dtypes. Throws InvalidParameterError.
  /// Local.
  void rebind(const std::vector<NamedTensor>& tensors);
  void rebind(const torch::nn::Module& module);

  /// Writes a checkpoint of all state into the folder `path` (made if missing): atomic, a crash leaves the previous one
  /// readable, and what a crash leaves besides is removed by the next save. Throws CheckpointError (on all ranks, and
  /// the run may go on): a folder or disk that cannot be written, another writer in this folder; OptimizerError when
  /// poisoned.
  void save(const std::string& path);
  /// Reads a checkpoint: everything is checked first, then taken over. Throws CheckpointError listing each difference
  /// of state (those of one cause in one line); differences of other values are reported, and this plan's values hold.
  /// Heals a poisoned optimizer.
  LoadReport load(const std::string& path, const LoadOptions& options = {});

  /// Every state tensor whole, by checkpoint name. Collective; the tensors are on rank 0, the list is empty elsewhere.
  StateTensors state();
  /// All that save() writes, in memory, on rank 0; empty elsewhere. Collective. Throws OptimizerError when poisoned.
  OptimizerState snapshot();
  /// Like load, from memory: the same checks and messages, and it heals. What rank 0 gives counts. After
  /// load_state(other.snapshot()) a run goes on bit for bit. With the tensors of state() alone it does if some
  /// parameter has had a gradient in every applied step (applied steps are taken from the counts) and no rate or option
  /// has been set from code.
  LoadReport load_state(const OptimizerState& state, const LoadOptions& options = {});
  LoadReport load_state(const StateTensors& tensors, const LoadOptions& options = {});

  const Plan& plan() const;            ///< with the values of now (lr, options)
  std::int64_t applied_steps() const;  ///< t of the next step
  std::int64_t skipped_steps() const;
  std::int64_t count(const std::string& parameter) const;  ///< applied updates of one parameter
  std::int64_t peak_workspace() const;                     ///< bytes that a step holds at once besides state
  std::int64_t state_bytes() const;                        ///< bytes of state on this rank
  bool poisoned() const;

 private:
  friend class Group;
  struct Impl;
  Impl& impl() const;  ///< throws OptimizerError when it was moved from
  std::shared_ptr<Impl> impl_;
};

/// A handle to one group of a ComposedOptimizer.
class Group {
 public:
  const std::string& id() const;
  const std::string& plugin() const;
  std::vector<std::string> parameters() const;  ///< display names, in the order of the plan
  OptionValues options() const;                 ///< resolved, as of now (scheduled options at the next step's t)
  double lr() const;  ///< base lr x schedule at the next step; parameters have further factors
  double base_lr() const;
  /// Sets the base learning rate of this group, from the next step on. Throws OptimizerError unless finite and >= 0.
  void set_lr(double lr);
  /// Sets an option for the parameters whose rule or override did not fix it, from the next step on. Throws
  /// OptimizerError: unknown option, out of range, driven by a schedule, or one that changes which state exists (that
  /// needs a new plan).
  void set(const std::string& option, const OptionValue& value);

 private:
  friend class ComposedOptimizer;
  Group(std::weak_ptr<ComposedOptimizer::Impl> impl, std::size_t index) : impl_(std::move(impl)), index_(index) {}
  std::shared_ptr<ComposedOptimizer::Impl> impl() const;  ///< throws OptimizerError when the optimizer is gone
  std::weak_ptr<ComposedOptimizer::Impl> impl_;
  std::size_t index_;
};

/// The parameters of a module as the optimizer wants them: every registered name (a tied tensor under each), with the
/// class name of the owning module ("Linear" for torch::nn::Linear).
std::vector<NamedTensor> named_tensors(const torch::nn::Module& module);

}  // namespace switchyard
