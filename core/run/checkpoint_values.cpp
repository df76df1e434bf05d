#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/run/checkpoint_index.h"
#include "core/run/composed_impl.h"
#include "core/run/problem_list.h"

/// What a checkpoint says about values (steps, rates, options): taken over where the spec and the checkpoint were
/// planned alike, also what code had written since then. Where they were not, the spec holds and a note says so.
namespace switchyard {

namespace {

std::string text_of(const Json* value) { return value == nullptr ? "absent" : dump_json(*value); }

/// "lr 0.1 in the checkpoint, 0.2 here; the spec holds", and what code had set it to when it was saved.
std::string spec_holds(const std::string& what, const std::string& planned, const std::string& live,
                       const std::string& here) {
  if (live == planned) return fmt::format("{} {} in the checkpoint, {} here; the spec holds", what, planned, here);
  return fmt::format(
      "{} {} planned in the checkpoint, {} live when it was saved (set from code), {} here; the spec holds: set it "
      "again if it should be {}",
      what, planned, live, here, live);
}

/// The rate that was live when saving, if the checkpoint was planned with the same one.
std::optional<double> live_lr(const Json& saved, const PlannedGroup& group, const std::string& path,
                              ProblemList& notes) {
  const auto* planned = saved.find("planned_lr");
  const auto* written = saved.find("lr");
  const auto here = dump_json(Json::real(group.lr));
  if (planned == nullptr || !planned->is_number() || planned->as_double() != group.lr) {
    notes.add("`" + group.id + "`", spec_holds("lr", text_of(planned), text_of(written), here));
    return std::nullopt;
  }
  if (written == nullptr || !written->is_number()) return std::nullopt;
  const auto live = written->as_double();
  if (!(live >= 0))
    throw CheckpointError(fmt::format("{}: the lr of `{}` is {}, expected a number >= 0", path, group.id, live));
  return live;
}

/// Options that were live when saving and are not those of now: written through groups(), before saving or since.
OptionWrites live_options(const CheckpointIndex& index, const Json& saved, const PlannedGroup& group,
                          const PlannedGroup& now, const OptimizerDescriptor& descriptor, ProblemList& notes) {
  OptionWrites writes;
  const auto& before = index.get(saved, "planned_options", Json::Kind::object);
  const auto& live = index.get(saved, "options", Json::Kind::object);
  const auto note = [&](const std::string& text) { notes.add("`" + group.id + "`", text); };
  for (const auto& option : group.options) {
    const auto& name = option.first;  // plain references: clang 14 cannot capture structured bindings
    const auto& value = option.second;
    const auto* then = before.find(name);
    if (then == nullptr) {
      note(fmt::format("the checkpoint is older than option `{}`; it counts as its default {} there, {} here", name,
                       to_string(descriptor.table.find(name)->default_value), to_string(value)));
      continue;
    }
    const auto* written = live.find(name);
    if (dump_json(*then) != dump_json(to_json(value))) {
      note(spec_holds("`" + name + "`", dump_json(*then), text_of(written), dump_json(to_json(value))));
      continue;
    }
    const auto& held = *find_option(now.options, name);
    if (written == nullptr || dump_json(*written) == dump_json(to_json(held))) continue;
    const auto driven =
        std::any_of(group.schedules.begin(), group.schedules.end(), [&](const auto& one) { return one.first == name; });
    const auto restored = option_value_from_json(*written);
    auto legal = restored.value_or(OptionValue());
    if (driven || !restored || !check_option(*descriptor.table.find(name), legal).empty()) {
      note(fmt::format("`{}` was set to {} before saving, which this plan does not allow; {} holds", name,
                       dump_json(*written), to_string(held)));
      continue;
    }
    writes.emplace_back(name, legal);
  }
  return writes;
}

}  // namespace

ComposedOptimizer::Impl::SavedValues ComposedOptimizer::Impl::read_values(const CheckpointIndex& index,
                                                                          const std::string& path,
                                                                          std::vector<std::string>& report) {
  const auto& root = index.root();
  SavedValues values;
  ProblemList notes;
  values.lr.resize(planned.groups.size());
  values.writes.resize(planned.groups.size());
  const auto* saved_base = root.find("planned_base_lr");
  const auto* saved_live = root.find("base_lr");
  const auto planned_base = dump_json(planned.base_lr ? Json::real(*planned.base_lr) : Json::null());
  if (saved_base != nullptr && saved_live != nullptr && dump_json(*saved_base) == planned_base) {
    if (saved_live->is_number()) values.base_lr = saved_live->as_double();
  } else {
    notes.add("base_lr", spec_holds("it is", text_of(saved_base), text_of(saved_live), planned_base));
  }
  const auto& now = current_plan();
  for (const auto& saved : index.get(root, "groups", Json::Kind::array).items()) {
    const auto id = index.string(saved, "id");
    const auto group =
        std::find_if(planned.groups.begin(), planned.groups.end(), [&](const auto& one) { return one.id == id; });
    if (group == planned.groups.end()) {
      notes.add("`" + id + "`", "an optimizer of the checkpoint that is not in this plan");
      continue;
    }
    const auto g = static_cast<std::size_t>(group - planned.groups.begin());
    values.lr[g] = live_lr(saved, *group, path, notes);
    values.writes[g] = live_options(index, saved, *group, now.groups[g], *registry.find(group->plugin), notes);
    try {
      checked_options(g, values.writes[g]);
    } catch (const OptimizerError& error) {
      notes.add("`" + id + "`",
                fmt::format("the options set before saving do not fit this plan, whose values hold: {}", error.what()));
      values.writes[g].clear();
    }
    const auto schedules = dump_json(index.get(saved, "schedules", Json::Kind::object));
    if (const auto here = dump_json(schedules_json(*group)); schedules != here)
      notes.add("`" + id + "`", spec_holds("schedules", schedules, schedules, here));
  }
  values.applied = index.count("applied_steps");
  values.calls = index.count("calls");
  values.skipped = index.count("skipped_steps");
  for (auto& line : notes.lines()) report.push_back(std::move(line));
  return values;
}

ComposedOptimizer::Impl::SavedValues ComposedOptimizer::Impl::values_of_tensors(const SavedState& saved,
                                                                                std::vector<std::string>& report) {
  SavedValues values;
  for (const auto& entry : saved.entries()) {
    if (entry.name.size() > 6 && entry.name.compare(entry.name.size() - 6, 6, "/count") == 0 && entry.bytes() == 8)
      values.applied = std::max(values.applied, saved.tensor(entry).item<std::int64_t>());
  }
  values.calls = values.applied;
  report.push_back(
      fmt::format("tensors alone say nothing of steps, rates and options: {} steps count as applied (the largest count "
                  "of a parameter), rates and options stay as they are",
                  values.applied));
  return values;
}

void ComposedOptimizer::Impl::take_values(const SavedValues& values) {
  t = values.applied;
  calls = values.calls;
  skipped = values.skipped;
  if (values.base_lr) plan.base_lr = values.base_lr;
  for (std::size_t g = 0; g < values.writes.size(); ++g) {
    // A write of what is there already would only make the plan be sealed again.
    if (values.lr[g] && *values.lr[g] != plan.groups[g].lr) set_group_lr(g, *values.lr[g]);
    if (!values.writes[g].empty()) take_options(g, values.writes[g]);
  }
}

}  // namespace switchyard
