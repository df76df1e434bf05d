#include "core/run/composed_optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <exception>
#include <optional>
#include <sstream>
#include <type_traits>
#include <variant>

#include "core/run/composed_impl.h"

namespace switchyard {

namespace {

void require_same(const std::string& what, const std::vector<std::string>& of_ranks) {
  for (std::size_t rank = 1; rank < of_ranks.size(); ++rank) {
    if (of_ranks[rank] != of_ranks[0]) {
      throw OptimizerError(
          fmt::format("rank {} has another {} than rank 0: {} and {}", rank, what, of_ranks[rank], of_ranks[0]));
    }
  }
}

}  // namespace

ComposedOptimizer::Impl::Impl(Plan given, const std::vector<NamedTensor>& tensors, const Registry& plugins,
                              RunOptions run_options)
    : registry(plugins),
      communicator(run_options.communicator),
      options(std::move(run_options)),
      plan(std::move(given)) {
  if (communicator == nullptr) {
    self = self_communicator();
    communicator = self.get();
  }
  if (options.workspace < 1)
    throw OptimizerError(fmt::format("workspace is {}, expected at least 1 byte", options.workspace));
  try {
    seal(plan, registry);
    same_on_all_ranks("plan", plan.plan_hash);
    std::string resolved;
    for (const auto& group : plan.groups) {
      const auto* descriptor = registry.find(group.plugin);
      if (descriptor != nullptr && descriptor->resolved)
        resolved += group.id + ": " + descriptor->resolved(group.options, options.machine) + "\n";
    }
    same_on_all_ranks("resolution of options that depend on the machine", resolved);
    planned = plan;
    parameters = bind_parameters(plan, tensors, registry, *communicator, options.host_copies);
    for (const auto& parameter : parameters) {
      if (parameter.tensor.device().is_cpu()) continue;
      warn(fmt::format("`{}` and perhaps others are on {}: this build updates them on the CPU and copies them back",
                       parameter.name(), parameter.tensor.device().str()));
      break;
    }
    executor = std::make_unique<Executor>(
        parameters, plan.groups, registry, *communicator,
        ExecutorOptions{options.workspace, options.formulas, options.attached, options.machine});
    guard = std::make_unique<GradGuard>(parameters, plan.groups.size(), *communicator);
    digest = live_digest();
    agree_on_sinks();
  } catch (const std::exception& error) {
    communicator->fail(error.what());
    throw;
  }
  seen_gradient.assign(parameters.size(), 0);
  if (communicator->rank() != 0) return;
  for (const auto& sink : options.sinks) sinks.add(sink, 1, fmt::format("sink {} of RunOptions", sinks.size() + 1));
  if (!options.open_sinks) return;
  for (const auto& config : plan.sinks) sinks.add(open_jsonl_sink(config.path), config.every, config.path);
}

void ComposedOptimizer::Impl::same_on_all_ranks(const std::string& what, const std::string& text) const {
  if (communicator->size() > 1) require_same(what, communicator->all_gather(text));
}

void ComposedOptimizer::Impl::warn(const std::string& text) const {
  if (communicator->rank() != 0) return;
  const auto print = [](const std::string& line) {
    std::fputs(("switchyard: warning: " + line + "\n").c_str(), stderr);
  };
  if (!options.warn) {
    print(text);
    return;
  }
  try {
    options.warn(text);
  } catch (const std::exception& error) {
    print(fmt::format("{} (and RunOptions::warn threw: {})", text, error.what()));
  } catch (...) {
    print(text + " (and RunOptions::warn threw)");
  }
}

void ComposedOptimizer::Impl::throw_if_poisoned() const {
  if (!poison.empty()) throw OptimizerError("the optimizer is poisoned until a checkpoint is loaded: " + poison);
}

/// Sinks are open on rank 0 only, but all ranks measure when one is due: how often is told once.
void ComposedOptimizer::Impl::agree_on_sinks() {
  std::string mine;
  if (communicator->rank() == 0) {
    for (std::size_t i = 0; i < options.sinks.size(); ++i) mine += "1 ";
    if (options.open_sinks) {
      for (const auto& config : plan.sinks) mine += fmt::format("{} ", config.every);
    }
  }
  std::istringstream periods(communicator->all_gather(mine).front());
  for (std::int64_t every = 0; periods >> every;) sink_periods.push_back(every);
}

bool ComposedOptimizer::Impl::due(std::int64_t call) const {
  return std::any_of(sink_periods.begin(), sink_periods.end(), [&](std::int64_t every) { return call % every == 0; });
}

std::uint64_t ComposedOptimizer::Impl::live_digest() const {
  std::uint64_t state = 0x9e3779b97f4a7c15ULL;
  const auto mix = [&](std::uint64_t word) { state = std::rotl(state ^ word, 29) * 0xbf58476d1ce4e5b9ULL; };
  const auto mix_number = [&](double number) { mix(std::bit_cast<std::uint64_t>(number)); };
  for (const auto& group : plan.groups) {
    mix_number(group.lr);
    for (const auto& [name, value] : group.options) {
      std::visit(
          [&](const auto& held) {
            using T = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<T, double>) {
              mix_number(held);
            } else if constexpr (std::is_same_v<T, std::string>) {
              for (const char c : held) mix(static_cast<unsigned char>(c));
            } else if constexpr (std::is_same_v<T, std::vector<double>>) {
              for (const auto number : held) mix_number(number);
            } else {
              mix(static_cast<std::uint64_t>(held));
            }
          },
          value);
    }
  }
  return state ^ (state >> 31);
}

void ComposedOptimizer::Impl::say_who_refuses(const std::exception_ptr& refusal, const std::string& why) {
  std::vector<std::string> all;
  try {
    all = communicator->all_gather(refusal ? "refused: " + why : std::string());
  } catch (const CommunicatorError&) {
    if (refusal) std::rethrow_exception(refusal);
    throw;
  }
  if (refusal) std::rethrow_exception(refusal);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (!all[rank].empty()) throw CommunicatorError(fmt::format("rank {} {}", rank, all[rank]), static_cast<int>(rank));
  }
}

void ComposedOptimizer::Impl::reform_if_changed() {
  if (changed) executor->form();
  changed = false;
}

const GradCheck& ComposedOptimizer::Impl::agree(const std::exception_ptr& refusal, const std::string& why,
                                                std::int64_t call, bool measured) {
  if (communicator->size() == 1 && refusal) std::rethrow_exception(refusal);
  if (live_changed) digest = live_digest();
  live_changed = false;
  GradAsk ask;
  ask.refused = static_cast<bool>(refusal);
  ask.digest = digest;
  ask.group_norms = measured;
  ask.compare_replicas =
      communicator->size() > 1 && (call <= options.replica_checks.first ||
                                   (options.replica_checks.every > 0 && call % options.replica_checks.every == 0));
  const GradCheck* check = nullptr;
  try {
    check = &guard->check(ask);
  } catch (const CommunicatorError&) {
    if (refusal) std::rethrow_exception(refusal);
    throw;
  }
  if (check->refusals > 0) say_who_refuses(refusal, why);
  if (!check->same_digest) {
    same_on_all_ranks("plan (a write through groups() or set_lr must happen on every rank)", current_plan().plan_hash);
    throw OptimizerError("ranks hold other options: a write through groups() or set_lr must happen on every rank");
  }
  return *check;
}

StepResult ComposedOptimizer::Impl::step(const StepOptions& step_options) {
  const CallGuard entered(running, "step");
  StepResult result;
  std::exception_ptr refusal;
  std::string why;
  try {
    throw_if_poisoned();
    if (!(step_options.loss_scale > 0) || !std::isfinite(step_options.loss_scale)) {
      throw OptimizerError(fmt::format("loss_scale is {}, expected a finite number > 0", step_options.loss_scale));
    }
    if (step_options.closure) {
      const c10::AutoGradMode enabled(true);
      result.loss = step_options.closure();
    }
    guard->check_world();
    reform_if_changed();
  } catch (const std::exception& error) {
    refusal = std::current_exception();
    why = error.what();
  } catch (...) {
    refusal = std::current_exception();
    why = "the closure threw an exception that is not a std::exception";
  }
  const c10::NoGradGuard no_grad;
  const auto call = calls + 1;
  const bool measured = due(call);
  const auto& check = agree(refusal, why, call, measured);

  const double divisor = static_cast<double>(plan.gradients.accumulation) * step_options.loss_scale;
  result.grad_norm = check.norm / divisor;
  for (const auto i : check.nonfinite_parameters) result.nonfinite.push_back(parameters[i].name());
  calls = call;
  const bool finite = !check.nonfinite && std::isfinite(check.norm);
  if (!finite) {
    ++skipped;
    if (measured) report(check, result, divisor, nullptr);
    if (plan.gradients.on_nonfinite == GradientPolicy::OnNonfinite::error) {
      throw OptimizerError(
          fmt::format("non-finite gradients, nothing was changed: {}", fmt::join(result.nonfinite, ", ")));
    }
    return result;
  }
  if (!check.any) {
    warn_no_gradient();
    if (measured) report(check, result, divisor, nullptr);
    return result;
  }
  double clip = 1;
  if (plan.gradients.clip_norm && result.grad_norm > 0)
    clip = std::min(1.0, *plan.gradients.clip_norm / result.grad_norm);
  std::optional<StepMeasure> measure;
  if (measured) measure.emplace(plan.groups.size());
  apply(check, clip / divisor, measure ? &*measure : nullptr);
  result.applied = true;
  if (measure) {
    measure->reduce(*communicator);
    report(check, result, divisor, &*measure);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i)
    seen_gradient[i] = static_cast<char>(seen_gradient[i] | check.active[i]);
  if (t == 1) warn_never_had_gradient();
  return result;
}

void ComposedOptimizer::Impl::apply(const GradCheck& check, double grad_scale, StepMeasure* measure) {
  const StepInput input{t, grad_scale, check.active.data(), measure};
  const auto poisoned_by = [&](const std::string& what) {
    poison = what;
    communicator->fail(what);
    throw OptimizerError(what);
  };
  try {
    executor->step(input);
  } catch (const std::exception& error) {
    poisoned_by(error.what());
  }
  ++t;
}

void ComposedOptimizer::Impl::warn_never_had_gradient() {
  std::string names;
  for (const auto& parameter : parameters) {
    if (!parameter.frozen() && seen_gradient[parameter.order] == 0)
      names += (names.empty() ? "" : ", ") + parameter.name();
  }
  if (!names.empty()) {
    warn(
        "these parameters had no gradient in the first step and were not updated (not used in the loss, or replaced "
        "after they were "
        "registered?): " +
        names);
  }
}

void ComposedOptimizer::Impl::warn_no_gradient() {
  if (++gradless != 1 && gradless % 100 != 0) return;
  warn(fmt::format(
      "no parameter had a gradient in call {} of step(), and nothing was updated{}: was backward() run, and "
      "on the parameters that this optimizer has?",
      calls, gradless == 1 ? "" : fmt::format(" (for the {}th time)", gradless)));
}

void ComposedOptimizer::Impl::report(const GradCheck& check, const StepResult& result, double divisor,
                                     StepMeasure* measure) {
  if (communicator->rank() != 0) return;
  std::vector<MetricRecord> records;
  MetricRecord whole;
  whole.step = calls;
  whole.values = {{metrics::applied.name, result.applied ? 1.0 : 0.0},
                  {metrics::grad_norm.name, result.grad_norm},
                  {metrics::skipped_steps.name, static_cast<double>(skipped)},
                  {metrics::params_without_grad.name, static_cast<double>(check.without_grad)}};
  if (!result.nonfinite.empty())
    whole.texts.emplace_back(metrics::nonfinite.name, fmt::format("{}", fmt::join(result.nonfinite, " ")));
  records.push_back(whole);
  for (std::size_t g = 0; g < plan.groups.size(); ++g) {
    const auto& group = plan.groups[g];
    MetricRecord record;
    record.step = calls;
    record.group = group.id;
    double factor = 1;
    for (const auto& [name, schedule] : group.schedules) {
      if (name == "lr") factor = schedule(result.applied ? t - 1 : t);
    }
    record.values.emplace_back(metrics::lr.name, group.lr * factor);
    record.values.emplace_back(metrics::grad_norm.name,
                               check.group_norms.empty() ? 0.0 : check.group_norms[g] / divisor);
    if (measure != nullptr) {
      const auto update = measure->update_rms(g);
      const auto param = measure->param_rms(g);
      record.values.emplace_back(metrics::update_rms.name, update);
      record.values.emplace_back(metrics::param_rms.name, param);
      record.values.emplace_back(metrics::update_to_weight.name, param > 0 ? update / param : 0.0);
    }
    record.values.emplace_back(metrics::skipped_steps.name, static_cast<double>(skipped));
    std::int64_t idle = 0;
    for (const auto& parameter : parameters) {
      if (!parameter.frozen() && parameter.group == g && check.active[parameter.order] == 0) ++idle;
    }
    record.values.emplace_back(metrics::params_without_grad.name, static_cast<double>(idle));
    records.push_back(std::move(record));
  }
  sinks.write(calls, records, [this](const std::string& text) { warn(text); });
}

ComposedOptimizer::ComposedOptimizer(Plan plan, const std::vector<NamedTensor>& tensors, const Registry& registry,
                                     RunOptions options)
    : impl_(std::make_shared<Impl>(std::move(plan), tensors, registry, std::move(options))) {}

namespace {

Plan plan_of(const std::vector<ParameterGroup>& groups, double base_lr, const std::vector<NamedTensor>& tensors,
             const Registry& registry, Communicator* communicator) {
  Diagnostics diagnostics;
  const auto table = table_from_tensors(tensors, diagnostics);
  auto plan = plan_from_groups(groups, base_lr, table, registry, diagnostics);
  if (plan) return std::move(*plan);
  if (communicator != nullptr) communicator->fail(render(diagnostics, {}));
  throw SpecError(std::move(diagnostics), {});
}

}  // namespace

ComposedOptimizer::ComposedOptimizer(const std::vector<ParameterGroup>& groups, double base_lr,
                                     const std::vector<NamedTensor>& tensors, const Registry& registry,
                                     RunOptions options) {
  auto plan = plan_of(groups, base_lr, tensors, registry, options.communicator);
  const auto found = plan.diagnostics;
  impl_ = std::make_shared<Impl>(std::move(plan), tensors, registry, std::move(options));
  // Nobody else has this plan: what it warns of would be lost.
  for (const auto& item : found.items()) impl_->warn(item.code + ": " + item.message);
}

ComposedOptimizer::~ComposedOptimizer() = default;
ComposedOptimizer::ComposedOptimizer(ComposedOptimizer&&) noexcept = default;
ComposedOptimizer& ComposedOptimizer::operator=(ComposedOptimizer&&) noexcept = default;

ComposedOptimizer::Impl& ComposedOptimizer::impl() const {
  if (!impl_) throw OptimizerError("this optimizer was moved from: use the one that it was moved to");
  return *impl_;
}

StepResult ComposedOptimizer::step() { return impl().step({}); }
StepResult ComposedOptimizer::step(const Closure& closure) {
  StepOptions options;
  options.closure = closure;
  return impl().step(options);
}
StepResult ComposedOptimizer::step(const StepOptions& options) { return impl().step(options); }

void ComposedOptimizer::zero_grad() {
  for (auto& parameter : impl().parameters) {
    parameter.tensor.mutable_grad().reset();
    for (const auto& alias : parameter.aliases) alias.mutable_grad().reset();
  }
}

void ComposedOptimizer::rebind(const std::vector<NamedTensor>& tensors) {
  auto& own = impl();
  const CallGuard entered(own.running, "rebind");
  const c10::NoGradGuard no_grad;
  rebind_parameters(own.parameters, tensors, own.communicator->rank(), own.options.host_copies);
  own.changed = true;  // pieces point into the old tensors
}

void ComposedOptimizer::save(const std::string& path) { impl().save(path); }
LoadReport ComposedOptimizer::load(const std::string& path, const LoadOptions& options) {
  return impl().load(path, options);
}
StateTensors ComposedOptimizer::state() { return impl().gather_state(); }
OptimizerState ComposedOptimizer::snapshot() { return impl().snapshot(); }
LoadReport ComposedOptimizer::load_state(const OptimizerState& state, const LoadOptions& options) {
  return impl().load_state(state, options);
}
LoadReport ComposedOptimizer::load_state(const StateTensors& tensors, const LoadOptions& options) {
  return impl().load_state({tensors, ""}, options);
}

const Plan& ComposedOptimizer::plan() const { return impl().current_plan(); }
std::int64_t ComposedOptimizer::applied_steps() const { return impl().t; }
std::int64_t ComposedOptimizer::skipped_steps() const { return impl().skipped; }
std::int64_t ComposedOptimizer::peak_workspace() const { return impl().executor->peak_workspace().peak; }
bool ComposedOptimizer::poisoned() const { return !impl().poison.empty(); }

std::int64_t ComposedOptimizer::count(const std::string& parameter) const {
  for (const auto& state : impl().parameters) {
    const auto& names = state.planned.info.names;
    if (std::find(names.begin(), names.end(), parameter) != names.end()) return state.count;
  }
  throw OptimizerError(fmt::format("no parameter is called `{}`", parameter));
}

std::int64_t ComposedOptimizer::state_bytes() const {
  std::int64_t bytes = 0;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined()) bytes += static_cast<std::int64_t>(tensor.nbytes());
  };
  for (const auto& parameter : impl().parameters) {
    for (const auto& slot : parameter.slots) add(slot);
    for (const auto& scales : parameter.scales) add(scales);
    add(parameter.master);
    for (const auto& block : parameter.blocks) {
      for (const auto& slot : block.slots) add(slot);
    }
  }
  return bytes;
}

}  // namespace switchyard
