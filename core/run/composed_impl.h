#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/run/call_guard.h"
#include "core/run/composed_optimizer.h"
#include "core/run/executor.h"
#include "core/run/grad_guard.h"
#include "core/run/metric_sinks.h"
#include "core/run/saved_state.h"

namespace switchyard {

/// Options to write and their new values.
using OptionWrites = OptionValues;

/// The schedules of a group as the checkpoint's index writes them.
Json schedules_json(const PlannedGroup& group);

struct ComposedOptimizer::Impl {
  Impl(Plan plan, const std::vector<NamedTensor>& tensors, const Registry& registry, RunOptions options);

  // step
  StepResult step(const StepOptions& options);
  void agree_on_sinks();
  /// Reads the gradients and lets the ranks agree, before anything changes: if any rank refuses (its own error,
  /// rethrown here) or has another plan, all throw, and the next step may go on.
  const GradCheck& agree(const std::exception_ptr& refusal, const std::string& why, std::int64_t call, bool measured);
  void say_who_refuses(const std::exception_ptr& refusal, const std::string& why);
  /// A number of all that can be written through groups() and set_lr: equal on ranks with equal values.
  std::uint64_t live_digest() const;
  void reform_if_changed();
  void apply(const GradCheck& check, double grad_scale, StepMeasure* measure);
  void report(const GradCheck& check, const StepResult& result, double divisor, StepMeasure* measure);
  bool due(std::int64_t call) const;
  void warn_never_had_gradient();
  /// Nothing had a gradient in this step: said the first time, and then at every hundredth.
  void warn_no_gradient();
  /// Tells rank 0's user. Never throws: what RunOptions::warn throws goes to stderr, with the text.
  void warn(const std::string& text) const;
  void throw_if_poisoned() const;
  /// Compares a text of all ranks; throws OptimizerError naming the first rank that differs.
  void same_on_all_ranks(const std::string& what, const std::string& text) const;

  // groups
  void set_group_lr(std::size_t group, double lr);
  /// The options of a group after these writes together; throws OptimizerError saying why they cannot be written.
  OptionValues checked_options(std::size_t group, const OptionWrites& writes) const;
  void take_options(std::size_t group, const OptionWrites& writes);
  /// The plan with the values of now; copies what writes have changed and seals it anew when needed.
  const Plan& current_plan();

  // checkpoint (checkpoint.cpp, checkpoint_load.cpp, checkpoint_values.cpp)
  void save(const std::string& path);
  /// Throws rank 0's refusal, if there is one, on all ranks. Collective.
  void agree_on(const std::string& refusal);
  /// Without the names of files where data_name is "".
  Json index_of(const Plan& now, const std::string& data_name, const std::string& checksum) const;
  StateTensors gather_state();
  OptimizerState snapshot();
  LoadReport load(const std::string& path, const LoadOptions& load_options);
  LoadReport load_state(const OptimizerState& state, const LoadOptions& load_options);
  LoadReport load_from(const std::function<SavedState()>& read, const LoadOptions& load_options, const char* call);
  /// What is loaded besides tensors.
  struct SavedValues {
    std::int64_t applied = 0;
    std::int64_t calls = 0;
    std::int64_t skipped = 0;
    std::optional<double> base_lr{};
    std::vector<std::optional<double>> lr{};  ///< by group
    std::vector<OptionWrites> writes{};       ///< by group
  };
  SavedValues read_values(const CheckpointIndex& index, const std::string& path, std::vector<std::string>& report);
  static SavedValues values_of_tensors(const SavedState& saved, std::vector<std::string>& report);
  void take_values(const SavedValues& values);

  Registry registry;                   ///< our own copy: descriptors are values
  std::unique_ptr<Communicator> self;  ///< when the caller gave none
  Communicator* communicator;
  RunOptions options;
  Plan plan;
  Plan planned;  ///< as given, before any write through groups()
  std::vector<ParameterState> parameters;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<GradGuard> guard;
  std::uint64_t digest = 0;                ///< live_digest() as of the last change
  std::vector<std::int64_t> sink_periods;  ///< of the sinks of rank 0
  MetricSinks sinks;                       ///< open on rank 0 only
  std::int64_t t = 0;
  std::int64_t calls = 0;
  std::int64_t skipped = 0;
  std::int64_t gradless = 0;        ///< calls of step in which nothing had a gradient
  const char* running = nullptr;    ///< the call that runs, see CallGuard
  bool changed = false;             ///< options or tensors have changed since the last step
  bool live_changed = false;        ///< `digest` misses writes
  bool stale = false;               ///< `plan` misses writes that the parameters have
  std::string poison;               ///< "" while healthy
  std::vector<char> seen_gradient;  ///< by parameter, for the warning after step 1
};

}  // namespace switchyard
