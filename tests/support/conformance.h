#pragma once
/// The laws that every plugin must keep, built in or not. A plugin passes by being in the registry: nothing here is
/// told about any plugin. docs/writing_a_plugin.md is the page for authors. Their program links `switchyard` and
/// `switchyard_conformance` and is
///
///   int main() { return conformance::check_plugins(registry, {"mine"}); }
///
/// Inside a doctest program a law is called as it is; check it under every_law's INFO to have it name itself. Random
/// values come from doctest's seed.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/plan_from_groups.h"
#include "core/registry.h"
#include "core/run/composed_optimizer.h"

namespace switchyard::conformance {

/// The plugin under test, in the registry that it runs from.
struct Subject {
  Subject(const Registry& registry_, const OptimizerDescriptor& descriptor_, Machine machine_ = {})
      : registry(registry_), descriptor(descriptor_), machine(std::move(machine_)) {}
  const Registry& registry;
  const OptimizerDescriptor& descriptor;
  Machine machine;  ///< what resolves its options called `auto`; never the one that the tests run on
  bool matrix() const { return descriptor.needs_matrix(); }
};

/// The machines for which a plugin resolves its defaults differently: one where there is nothing to resolve.
std::vector<Machine> machines_of(const OptimizerDescriptor& descriptor);

/// One parameter of a model under test.
struct Item {
  std::string name;
  std::vector<std::int64_t> shape;
  at::ScalarType dtype = at::kFloat;
  std::optional<MatrixView> view{};  ///< matrix plugins; default: the first axis out, the others in
  std::string plugin{};              ///< another plugin than the subject's, in a group of its own
  bool frozen = false;
};
using Items = std::vector<Item>;

/// A model and how it is trained: everything that a trajectory depends on.
struct Setup {
  Items items;
  OptionValues options{};  ///< of the subject's group, over its defaults
  double lr = 0.05;
  int steps = 3;
  std::uint64_t seed = 0;  ///< added to the run's seed
  int ranks = 1;
  bool sharded = false;                                       ///< row-sharded unevenly, else replicated
  std::function<double(int step)> gradient_scale{};           ///< default 1
  std::function<bool(int step, std::size_t item)> missing{};  ///< default: no gradient is missing
  std::optional<double> clip{};
  double loss_scale = 1;
  std::vector<std::pair<std::string, Schedule>> schedules{};
  std::int64_t workspace = std::int64_t{256} << 20;
  bool host_copies = false;  ///< RunOptions::host_copies
  Formulas formulas = Formulas::compiled;
  std::vector<Attached> attached{};  ///< RunOptions::attached
};

/// Parameters and state, whole, by name.
struct Outcome {
  std::map<std::string, at::Tensor> params;
  std::map<std::string, at::Tensor> state;
};

/// A model with its optimizer on one rank.
class Bench {
 public:
  Bench(const Subject& subject, const Setup& setup, Communicator* communicator = nullptr);

  /// Sets the gradients of a step; they depend on seed, name and step alone.
  void set_gradients(int step);
  StepResult step(int number);
  ComposedOptimizer& optimizer() { return *optimizer_; }
  const std::vector<NamedTensor>& tensors() const { return tensors_; }
  at::Tensor& param(const std::string& name);
  /// Copies of this rank's parameters and, on rank 0, of the whole state. Collective.
  Outcome outcome();

 private:
  Setup setup_;
  int rank_ = 0;
  std::vector<NamedTensor> tensors_;
  std::optional<ComposedOptimizer> optimizer_;
};

/// Runs a setup on its ranks (threads; one intra-op thread) and puts the shards together. Fails where replicas differ.
Outcome run(const Subject& subject, const Setup& setup);

/// Plan of a setup, and tensors on a rank; for laws that need more than Bench.
Plan plan_of(const Subject& subject, const Setup& setup, const std::vector<NamedTensor>& tensors);
std::vector<NamedTensor> tensors_of(const Setup& setup, int rank = 0);
/// Rows of an item on each rank: uneven cuts drawn from the seed, empty ones included.
std::vector<std::pair<std::int64_t, std::int64_t>> shard_rows(const Setup& setup, const Item& item);

/// float64 values that depend on run seed, `seed`, name and step alone.
at::Tensor values_for(std::uint64_t seed, const std::string& name, int step, const std::vector<std::int64_t>& shape);

/// Options under which as much as possible happens: zeros that may be positive are moved inside their interval.
OptionValues lively_options(const OptimizerDescriptor& descriptor);
/// Other legal values of an option, near and far.
std::vector<OptionValue> other_values(const OptionInfo& option, const OptionValue& now);
/// `values` with one option replaced.
OptionValues with_option(OptionValues values, const std::string& name, const OptionValue& value);
/// True if the plugin accepts these options together.
bool fits(const OptimizerDescriptor& descriptor, const OptionValues& values);

/// A few parameters that the subject can train: wide, tall, one row, and a stack of equals; vectors too for
/// element-wise plugins.
Items small_items(const Subject& subject, at::ScalarType dtype = at::kFloat);

/// "" if all tensors are equal bit for bit, else the first name that is not.
std::string first_difference(const std::map<std::string, at::Tensor>& a, const std::map<std::string, at::Tensor>& b);
std::string first_difference(const Outcome& a, const Outcome& b);
/// Largest relative Frobenius distance of parameters, as a part of how far `b` moved from `start`.
double relative_movement(const std::map<std::string, at::Tensor>& a, const std::map<std::string, at::Tensor>& b,
                         const std::map<std::string, at::Tensor>& start);
/// Parameters before the first step.
std::map<std::string, at::Tensor> start_of(const Setup& setup);

// The laws, by theme. Each checks one plugin; the number is that of the table.
void bad_options_are_refused(const Subject&);           // 1, 2
void unfit_parameters_are_refused(const Subject&);      // 3
void tiny_lr_moves_nothing(const Subject&);             // 4
void every_option_has_an_effect(const Subject&);        // 5
void weight_decay_follows_its_formula(const Subject&);  // 6
void clipping_changes_the_update(const Subject&);

void missing_gradient_is_inert(const Subject&);                // 7
void zero_gradient_moves_nothing(const Subject&);              // 8
void frozen_is_inert(const Subject&);                          // 9
void gradients_are_never_written(const Subject&);              // 10
void loss_falls(const Subject&);                               // 13
void nonfinite_gradient_skips_the_whole_step(const Subject&);  // 22
void gradient_scale_laws(const Subject&);                      // 26
void loss_scale_equals_scaled_gradients(const Subject&);

void dtype_and_strides_stay(const Subject&);  // 11
void layout_changes_no_bit(const Subject&);   // 12
void rerun_changes_no_bit(const Subject&);    // 15
void order_changes_no_bit(const Subject&);    // 16
void threads_change_little(const Subject&);   // 17
void neighbours_change_no_bit(const Subject&);
void memory_stays_within_the_printed_workspace(const Subject&);  // 24

void state_is_complete_and_declared(const Subject&);  // 18
void older_checkpoint_loads(const Subject&);          // 20
void foreign_state_is_refused(const Subject&);        // 21
void failing_plugin_poisons(const Subject&);          // 23
void failing_rank_stops_all_until_they_load(const Subject&);

void ranks_change_no_bit(const Subject&);
void host_copies_change_no_bit(const Subject&);
void replayed_formulas_change_no_bit(const Subject&);  // what is recorded of a formula is the formula
void views_equal_separate_parameters(const Subject&);  // matrix plugins; nothing to check for others

/// A law by name.
struct Law {
  const char* name;
  const char* says;
  void (*holds)(const Subject&);
};
/// All of the above, in this order. What a new process must find again needs a program of its own
/// (tests/run/resume_test.cpp).
std::span<const Law> laws();
/// Every law, on each of machines_of().
void all_laws(const Subject&);

/// The setup that ran last on this thread, so that a failure can be repeated: steps, gradients, options, parameters.
std::string last_run();

/// A law that a plugin does not keep, and why that is right.
struct Waiver {
  std::string law;
  std::string plugin;
  std::string reason;
};
/// Checks plugins of a registry without a test program: prints a line for each law (ok, FAILED with what was found, or
/// waived with its reason) and returns the exit status, 1 if anything failed. A waiver for a law that holds, of an
/// unknown law or plugin, or without a reason fails too. SWITCHYARD_TEST_SEED repeats a run. In switchyard_conformance
/// only (law_runner.cpp).
int check_plugins(const Registry& registry, const std::vector<std::string>& plugins,
                  const std::vector<Waiver>& waivers = {});

}  // namespace switchyard::conformance
