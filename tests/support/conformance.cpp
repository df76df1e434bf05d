#include "tests/support/conformance.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "tests/kernels/values.h"

namespace switchyard::conformance {

namespace {

/// FNV-1a: the same name gives the same values on every platform.
std::uint64_t hash_of(const std::string& name) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

MatrixView roles(std::size_t ndim) {
  MatrixView view;
  view.out = {0};
  for (std::size_t axis = 1; axis < ndim; ++axis) view.in.push_back(static_cast<int>(axis));
  return view;
}

}  // namespace

std::vector<Machine> machines_of(const OptimizerDescriptor& descriptor) {
  const Machine plain;
  const auto other = machine_with("a unit");
  const auto values = descriptor.table.defaults();
  if (!descriptor.resolved || descriptor.resolved(values, plain) == descriptor.resolved(values, other)) return {plain};
  return {plain, other};
}

namespace {

thread_local std::optional<Setup> last_setup;

}  // namespace

std::string last_run() {
  if (!last_setup) return "none";
  const auto& setup = *last_setup;
  auto out = fmt::format("{} steps at lr {} on {} rank{}{}; seed {} + {}; gradient of step s: gaussian(seed, name, s)",
                         setup.steps, setup.lr, setup.ranks, setup.ranks == 1 ? "" : "s",
                         setup.sharded ? ", sharded" : "", doctest::getContextOptions()->rand_seed, setup.seed);
  if (setup.gradient_scale) {
    out += " x";
    for (int step = 1; step <= std::min(setup.steps, 4); ++step)
      out += fmt::format(" {:g}", setup.gradient_scale(step));
    if (setup.steps > 4) out += " ...";
  }
  if (setup.clip) out += fmt::format(", clipped to {:g}", *setup.clip);
  if (setup.loss_scale != 1) out += fmt::format(", loss scale {:g}", setup.loss_scale);
  for (const auto& [name, value] : setup.options) out += fmt::format("; {} {}", name, to_string(value));
  for (const auto& [name, schedule] : setup.schedules) out += "; a schedule of " + name;
  out += "; parameters";
  for (std::size_t i = 0; i < std::min<std::size_t>(setup.items.size(), 8); ++i) {
    const auto& item = setup.items[i];
    out += fmt::format(" {} {} {}", item.name, std::string(c10::toString(item.dtype)), to_string(item.shape));
  }
  if (setup.items.size() > 8) out += fmt::format(" and {} more", setup.items.size() - 8);
  return out;
}

at::Tensor values_for(std::uint64_t seed, const std::string& name, int step, const std::vector<std::int64_t>& shape) {
  auto random = testing::random_engine(seed * 1000003 + hash_of(name) + static_cast<std::uint64_t>(step + 1) * 7919);
  return testing::gaussian(shape, random, at::kDouble);
}

std::vector<std::pair<std::int64_t, std::int64_t>> shard_rows(const Setup& setup, const Item& item) {
  const auto rows = item.shape[0];
  auto random = testing::random_engine(setup.seed * 31 + hash_of(item.name) + static_cast<std::uint64_t>(setup.ranks));
  std::vector<std::int64_t> cuts = {0, rows};
  while (cuts.size() < static_cast<std::size_t>(setup.ranks) + 1)
    cuts.push_back(std::uniform_int_distribution<std::int64_t>(0, rows)(random));
  std::sort(cuts.begin(), cuts.end());
  std::vector<std::pair<std::int64_t, std::int64_t>> out;
  for (std::size_t r = 0; r + 1 < cuts.size(); ++r) out.emplace_back(cuts[r], cuts[r + 1]);
  return out;
}

std::vector<NamedTensor> tensors_of(const Setup& setup, int rank) {
  std::vector<NamedTensor> out;
  for (const auto& item : setup.items) {
    const auto whole = values_for(setup.seed, item.name, 0, item.shape).to(item.dtype);
    NamedTensor named;
    named.name = item.name;
    named.tensor = whole;
    if (setup.sharded && !item.shape.empty()) {
      const auto [first, last] = shard_rows(setup, item)[static_cast<std::size_t>(rank)];
      named.tensor = whole.narrow(0, first, last - first).clone();
      named.rows = item.shape[0];
      named.first_row = first;
    }
    named.tensor.set_requires_grad(!item.frozen);
    out.push_back(std::move(named));
  }
  return out;
}

Plan plan_of(const Subject& subject, const Setup& setup, const std::vector<NamedTensor>& tensors) {
  std::vector<ParameterGroup> groups;
  const auto group_for = [&](const std::string& plugin) -> ParameterGroup& {
    for (auto& group : groups) {
      if (group.plugin == plugin) return group;
    }
    ParameterGroup group;
    group.id = "of_" + plugin;
    group.plugin = plugin;
    if (plugin == subject.descriptor.name) {
      group.options = setup.options;
      group.schedules = setup.schedules;
    }
    groups.push_back(std::move(group));
    return groups.back();
  };
  for (const auto& item : setup.items) {
    auto& group = group_for(item.plugin.empty() ? subject.descriptor.name : item.plugin);
    if (item.frozen) continue;
    group.parameters.push_back(item.name);
    if (item.view || subject.registry.find(group.plugin)->needs_matrix())
      group.views.emplace(item.name, item.view ? *item.view : roles(item.shape.size()));
  }
  Diagnostics diagnostics;
  const auto table = table_from_tensors(tensors, diagnostics);
  auto plan = plan_from_groups(groups, setup.lr, table, subject.registry, diagnostics);
  if (!plan) throw SpecError(std::move(diagnostics), {});
  plan->gradients.clip_norm = setup.clip;
  return std::move(*plan);
}

Bench::Bench(const Subject& subject, const Setup& setup, Communicator* communicator)
    : setup_(setup), rank_(communicator == nullptr ? 0 : communicator->rank()), tensors_(tensors_of(setup, rank_)) {
  last_setup = setup;
  RunOptions options;
  options.communicator = communicator;
  options.workspace = setup.workspace;
  options.host_copies = setup.host_copies;
  options.formulas = setup.formulas;
  options.attached = setup.attached;
  options.machine = subject.machine;
  options.warn = [](const std::string&) {};
  optimizer_.emplace(plan_of(subject, setup, tensors_), tensors_, subject.registry, options);
}

void Bench::set_gradients(int step) {
  for (std::size_t i = 0; i < setup_.items.size(); ++i) {
    const auto& item = setup_.items[i];
    auto& gradient = tensors_[i].tensor.mutable_grad();
    if (item.frozen || (setup_.missing && setup_.missing(step, i))) {
      gradient.reset();
      continue;
    }
    const double scale = setup_.gradient_scale ? setup_.gradient_scale(step) : 1.0;
    auto whole = values_for(setup_.seed, item.name, step, item.shape).to(item.dtype);
    whole = (whole * scale).to(item.dtype);
    if (tensors_[i].rows >= 0) whole = whole.narrow(0, tensors_[i].first_row, tensors_[i].tensor.size(0));
    // What autograd leaves behind on an empty shard is nothing: such a rank has no vote.
    if (whole.numel() == 0 && !item.shape.empty() && tensors_[i].rows > 0) {
      gradient.reset();
    } else {
      gradient = whole.clone();
    }
  }
}

StepResult Bench::step(int number) {
  set_gradients(number);
  StepOptions options;
  options.loss_scale = setup_.loss_scale;
  return optimizer_->step(options);
}

at::Tensor& Bench::param(const std::string& name) {
  for (auto& named : tensors_) {
    if (named.name == name) return named.tensor;
  }
  throw std::logic_error("no tensor called " + name);
}

Outcome Bench::outcome() {
  Outcome out;
  for (const auto& named : tensors_) out.params.emplace(named.name, named.tensor.detach().clone());
  for (auto& [name, tensor] : optimizer_->state()) out.state.emplace(name, tensor);
  return out;
}

Outcome run(const Subject& subject, const Setup& setup) {
  last_setup = setup;
  const testing::Threads one(1);
  if (setup.ranks == 1) {
    Bench bench(subject, setup);
    for (int step = 1; step <= setup.steps; ++step) bench.step(step);
    return bench.outcome();
  }
  std::vector<Outcome> parts(static_cast<std::size_t>(setup.ranks));
  ThreadWorld world(setup.ranks);
  world.run([&](Communicator& communicator) {
    Bench bench(subject, setup, &communicator);
    for (int step = 1; step <= setup.steps; ++step) bench.step(step);
    parts[static_cast<std::size_t>(communicator.rank())] = bench.outcome();
  });
  Outcome out = parts.front();
  for (const auto& item : setup.items) {
    if (setup.sharded && !item.shape.empty()) {
      std::vector<at::Tensor> rows;
      for (const auto& part : parts) rows.push_back(part.params.at(item.name));
      out.params[item.name] = at::cat(rows);
      continue;
    }
    for (const auto& part : parts) {
      INFO("plugin ", subject.descriptor.name, ", replica of ", item.name);
      CHECK(testing::same_bits(part.params.at(item.name), out.params.at(item.name)));
    }
  }
  return out;
}

std::map<std::string, at::Tensor> start_of(const Setup& setup) {
  std::map<std::string, at::Tensor> out;
  for (const auto& item : setup.items)
    out.emplace(item.name, values_for(setup.seed, item.name, 0, item.shape).to(item.dtype));
  return out;
}

std::string first_difference(const std::map<std::string, at::Tensor>& a, const std::map<std::string, at::Tensor>& b) {
  for (const auto& [name, tensor] : a) {
    const auto other = b.find(name);
    if (other == b.end()) return name + " (only on one side)";
    if (!testing::same_bits(tensor, other->second)) return name;
  }
  for (const auto& [name, tensor] : b) {
    if (a.count(name) == 0) return name + " (only on one side)";
  }
  return "";
}

std::string first_difference(const Outcome& a, const Outcome& b) {
  const auto params = first_difference(a.params, b.params);
  return params.empty() ? first_difference(a.state, b.state) : params;
}

double relative_movement(const std::map<std::string, at::Tensor>& a, const std::map<std::string, at::Tensor>& b,
                         const std::map<std::string, at::Tensor>& start) {
  double largest = 0;
  for (const auto& [name, tensor] : a) {
    if (tensor.numel() == 0) continue;
    const auto x = tensor.to(at::kDouble);
    const auto y = b.at(name).to(at::kDouble);
    const auto moved = y.sub(start.at(name).to(at::kDouble)).norm().item<double>();
    const auto apart = x.sub(y).norm().item<double>();
    if (apart > 0) largest = std::max(largest, moved > 0 ? apart / moved : INFINITY);
    if (std::isnan(apart)) return INFINITY;
  }
  return largest;
}

Items small_items(const Subject& subject, at::ScalarType dtype) {
  Items items = {{"wide", {5, 9}, dtype},
                 {"tall", {9, 5}, dtype},
                 {"row", {1, 9}, dtype},
                 {"b0", {6, 6}, dtype},
                 {"b1", {6, 6}, dtype}};
  if (!subject.matrix()) {
    items.push_back({"vector", {37}, dtype});
    items.push_back({"scalar", {}, dtype});
    items.push_back({"cube", {3, 4, 5}, dtype});
  }
  return items;
}

std::span<const Law> laws() {
  static constexpr Law all[] = {
      {"bad_options_are_refused", "values outside the table are refused by name", bad_options_are_refused},
      {"unfit_parameters_are_refused", "what cannot be trained is refused by name", unfit_parameters_are_refused},
      {"tiny_lr_moves_nothing", "at a rate far below a rounding no parameter changes", tiny_lr_moves_nothing},
      {"every_option_has_an_effect", "each option changes the trajectory", every_option_has_an_effect},
      {"weight_decay_follows_its_formula", "decay takes lr wd p, or schedule wd p", weight_decay_follows_its_formula},
      {"clipping_changes_the_update", "a clipped gradient gives another update", clipping_changes_the_update},
      {"missing_gradient_is_inert", "without a gradient nothing of a parameter changes", missing_gradient_is_inert},
      {"zero_gradient_moves_nothing", "a zero gradient from the start moves nothing", zero_gradient_moves_nothing},
      {"frozen_is_inert", "a frozen parameter has no state and stays", frozen_is_inert},
      {"gradients_are_never_written", "gradients are the caller's", gradients_are_never_written},
      {"loss_falls", "a loss falls", loss_falls},
      {"nonfinite_gradient_skips_the_whole_step", "a NaN anywhere changes nothing anywhere",
       nonfinite_gradient_skips_the_whole_step},
      {"gradient_scale_laws", "the trait scale_free tells what a factor of all gradients does", gradient_scale_laws},
      {"loss_scale_equals_scaled_gradients", "a loss scale is divided out, bit for bit",
       loss_scale_equals_scaled_gradients},
      {"dtype_and_strides_stay", "parameters keep dtype, strides and memory", dtype_and_strides_stay},
      {"layout_changes_no_bit", "strides change no bit", layout_changes_no_bit},
      {"rerun_changes_no_bit", "the same run gives the same bits", rerun_changes_no_bit},
      {"order_changes_no_bit", "the order of parameters changes no bit", order_changes_no_bit},
      {"threads_change_little", "threads change no more than products do", threads_change_little},
      {"neighbours_change_no_bit", "a block's bits depend on the block alone", neighbours_change_no_bit},
      {"memory_stays_within_the_printed_workspace", "a step allocates no more than `scratch` says",
       memory_stays_within_the_printed_workspace},
      {"state_is_complete_and_declared", "all state exists from the start, as declared",
       state_is_complete_and_declared},
      {"older_checkpoint_loads", "a checkpoint from before an option loads with its default", older_checkpoint_loads},
      {"foreign_state_is_refused", "state of other plugins, shapes and dtypes is refused", foreign_state_is_refused},
      {"failing_plugin_poisons", "a failure stops steps until a load heals", failing_plugin_poisons},
      {"failing_rank_stops_all_until_they_load", "a failing rank stops all", failing_rank_stops_all_until_they_load},
      {"ranks_change_no_bit", "ranks and shards change no bit", ranks_change_no_bit},
      {"host_copies_change_no_bit", "work on copies in host memory changes no bit", host_copies_change_no_bit},
      {"replayed_formulas_change_no_bit", "a recorded formula replays to the same bits",
       replayed_formulas_change_no_bit},
      {"views_equal_separate_parameters", "a block is trained as a parameter of its own would be",
       views_equal_separate_parameters}};
  return all;
}

void all_laws(const Subject& subject) {
  for (const auto& law : laws()) {
    INFO("law ", law.name, ": ", law.says);
    INFO("last run: ", last_run());
    for (const auto& machine : machines_of(subject.descriptor))
      law.holds(Subject(subject.registry, subject.descriptor, machine));
  }
}

}  // namespace switchyard::conformance
