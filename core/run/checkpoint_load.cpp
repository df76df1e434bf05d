#include <c10/core/GradMode.h>

#include "core/run/composed_impl.h"
#include "core/run/state_match.h"
#include "core/run/state_store.h"

/// Loading goes through stages that only look, then takes over: what is given is read whole and intact, its state must
/// agree with the plan by name, and values are either the checkpoint's or, where the spec has changed, the spec's. A
/// folder and tensors in memory go the same way.
namespace switchyard {

LoadReport ComposedOptimizer::Impl::load(const std::string& path, const LoadOptions& load_options) {
  return load_from([&] { return SavedState::from_folder(path); }, load_options, "load");
}

LoadReport ComposedOptimizer::Impl::load_state(const OptimizerState& state, const LoadOptions& load_options) {
  return load_from([&] { return SavedState::from_memory(state, *communicator); }, load_options, "load_state");
}

LoadReport ComposedOptimizer::Impl::load_from(const std::function<SavedState()>& read, const LoadOptions& load_options,
                                              const char* call) {
  const CallGuard entered(running, call);
  const c10::NoGradGuard no_grad;
  if (communicator->failed()) communicator->recover();
  LoadReport report;
  bool told = false;  // whether the ranks know of each other's refusals
  try {
    const auto saved = read();
    const StateMatch match(saved, current_plan(), registry, parameters, load_options);
    report.notes = match.notes();
    const auto values = saved.index() == nullptr ? values_of_tensors(saved, report.notes)
                                                 : read_values(*saved.index(), saved.where(), report.notes);
    // Everything has been checked here. If one rank refuses, all do, and the run can go on as it was.
    told = true;
    for (const auto& refusal : communicator->all_gather("")) {
      if (!refusal.empty()) throw CheckpointError(refusal);
    }
    scatter_state(parameters, communicator->rank(), [&](const StateEntry& entry) { return match.values(entry); });
    match.make_masters(parameters);
    take_values(values);
    for (auto& parameter : parameters) seen_gradient[parameter.order] = parameter.count > 0 ? 1 : 0;
    poison.clear();
    communicator->all_gather("loaded");
  } catch (const CheckpointError& error) {
    if (!told) communicator->all_gather(error.what());
    throw;
  } catch (const std::exception& error) {
    communicator->fail(error.what());
    throw;
  }
  for (const auto& note : report.notes) warn(note);
  return report;
}

}  // namespace switchyard
