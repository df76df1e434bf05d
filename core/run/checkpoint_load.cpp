#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/run/checkpoint_index.h"
#include "core/run/composed_impl.h"
#include "core/run/state_store.h"
#include "core/run/tensor_file.h"

/// Loading goes through stages that only look, then takes over: state must agree with the plan by name, the data must
/// be whole and of the plan's shapes, and values are either the checkpoint's or, where the spec has changed, the
/// spec's.
namespace switchyard {

namespace {

/// Key of a saved parameter by key of one of this plan: a parameter is found under any of its names.
using SavedKeys = std::map<std::string, std::string>;

/// Lines of problems, "" when there is none.
class Problems {
 public:
  void add(const std::string& text) { lines_ += "\n  " + text; }
  void throw_if_any(const std::string& head) const {
    if (!lines_.empty()) throw CheckpointError(head + lines_);
  }

 private:
  std::string lines_;
};

/// The line of a parameter's state without its key, which may have changed with the aliases.
std::string without_key(const std::string& line, const std::string& key) {
  const auto prefix = dump_json(Json::string(key)) + " ";
  return line.compare(0, prefix.size(), prefix) == 0 ? line.substr(prefix.size()) : line;
}

std::map<std::string, std::string> saved_key_of_name(const CheckpointIndex& index) {
  std::map<std::string, std::string> key_of_name;
  const auto& plan = index.get(index.root(), "plan", Json::Kind::object);
  for (const auto& saved : index.get(plan, "parameters", Json::Kind::array).items()) {
    std::vector<std::string> names = {index.string(saved, "name")};
    for (const auto& alias : index.get(saved, "aliases", Json::Kind::array).items()) {
      if (alias.is(Json::Kind::string)) names.push_back(alias.as_string());
    }
    const auto key = *std::min_element(names.begin(), names.end());
    for (const auto& name : names) key_of_name.emplace(name, key);
  }
  return key_of_name;
}

SavedKeys match_state(const CheckpointIndex& index, const std::string& path, const Plan& now, const Registry& registry,
                      const std::vector<ParameterState>& parameters) {
  const auto& saved_lines = index.get(index.root(), "state", Json::Kind::object);
  const auto key_of_name = saved_key_of_name(index);
  const auto lines = state_lines(now, registry);
  Problems problems;
  SavedKeys saved_key;
  std::set<std::string> used;
  for (const auto& parameter : parameters) {
    if (parameter.frozen()) continue;
    std::string key;
    for (const auto& name : parameter.planned.info.names) {
      const auto found = key_of_name.find(name);
      if (found != key_of_name.end()) key = found->second;
    }
    const auto* line = key.empty() ? nullptr : saved_lines.find(key);
    const auto wanted = without_key(lines.at(parameter.key()), parameter.key());
    if (line == nullptr || !line->is(Json::Kind::string)) {
      problems.add(fmt::format("`{}` has no state in the checkpoint; the plan wants: {}", parameter.name(), wanted));
      continue;
    }
    used.insert(key);
    saved_key[parameter.key()] = key;
    const auto given = without_key(upgraded_state_line(line->as_string()), key);
    if (given != wanted)
      problems.add(fmt::format("`{}`: the checkpoint has {}; the plan wants {}", parameter.name(), given, wanted));
  }
  for (const auto& member : saved_lines.members()) {
    if (used.count(member.key) == 0)
      problems.add(fmt::format("`{}` has state in the checkpoint but is not trained by this plan", member.key));
  }
  problems.throw_if_any(fmt::format("{} is a checkpoint of another plan (state {} there, {} here):", path,
                                    index.string(index.root(), "state_hash").substr(0, 16),
                                    now.state_hash.substr(0, 16)));
  return saved_key;
}

/// The saved name of a tensor of state, `<key>/<slot>...`.
std::string saved_name(const SavedKeys& saved_key, const std::string& name) {
  for (const auto& [key, saved] : saved_key) {
    if (key != saved && name.compare(0, key.size() + 1, key + "/") == 0) return saved + name.substr(key.size());
  }
  return name;
}

TensorFile open_data(const CheckpointIndex& index, const std::string& path) {
  const auto name = index.string(index.root(), "data");
  if (name.find('/') != std::string::npos)
    throw CheckpointError(fmt::format("{}: `data` must be a file of the folder", path));
  TensorFile file(path + "/" + name);
  const auto promised = index.string(index.root(), "checksum");
  if (const auto found = file.checksum(); found != promised) {
    throw CheckpointError(
        fmt::format("{}/{} is damaged: its checksum is {}, the index says {}", path, name, found, promised));
  }
  return file;
}

void check_data(const TensorFile& file, const std::string& path, const SavedKeys& saved_key,
                const std::vector<ParameterState>& parameters) {
  const auto head = fmt::format("the data of {} do not fit its index:", path);
  const auto entries = state_entries(parameters);
  Problems problems;
  for (const auto& entry : entries) {
    const auto* saved = file.header().find(saved_name(saved_key, entry.name));
    if (saved == nullptr) {
      problems.add(fmt::format("`{}` is missing", entry.name));
    } else if (saved->shape != entry.shape || saved->dtype != safetensors_dtype(entry.dtype)) {
      problems.add(fmt::format("`{}` is {} {}, expected {} {}", entry.name, saved->dtype, to_string(saved->shape),
                               safetensors_dtype(entry.dtype), to_string(entry.shape)));
    }
  }
  problems.throw_if_any(head);
  for (const auto& parameter : parameters) {
    if (parameter.frozen()) continue;
    const auto name = saved_name(saved_key, parameter.key() + "/count");
    if (const auto count = file.tensor(name).item<std::int64_t>(); count < 0)
      problems.add(fmt::format("`{}` is {}, expected a number >= 0", name, count));
  }
  if (file.header().entries.size() != entries.size())
    problems.add(fmt::format("{} tensors, expected {}", file.header().entries.size(), entries.size()));
  problems.throw_if_any(head);
}

std::string text_of(const Json* value) { return value == nullptr ? "absent" : dump_json(*value); }

/// The rate that was live when saving, if the checkpoint was planned with the same one.
std::optional<double> live_lr(const Json& saved, const PlannedGroup& group, const std::string& path,
                              std::vector<std::string>& notes) {
  const auto* lr = saved.find("planned_lr");
  if (lr == nullptr || !lr->is_number() || lr->as_double() != group.lr) {
    notes.push_back(fmt::format("`{}`: lr {} in the checkpoint, {} here; the spec holds", group.id, text_of(lr),
                                shortest(group.lr)));
    return std::nullopt;
  }
  const auto* written = saved.find("lr");
  if (written == nullptr || !written->is_number()) return std::nullopt;
  const auto live = written->as_double();
  if (!(live >= 0))
    throw CheckpointError(fmt::format("{}: the lr of `{}` is {}, expected a number >= 0", path, group.id, live));
  return live;
}

/// Options that were live when saving and are not those of now: written through groups(), before saving or since.
OptionWrites live_options(const CheckpointIndex& index, const Json& saved, const PlannedGroup& group,
                          const PlannedGroup& now, const OptimizerDescriptor& descriptor,
                          std::vector<std::string>& notes) {
  OptionWrites writes;
  const auto& before = index.get(saved, "planned_options", Json::Kind::object);
  const auto& live = index.get(saved, "options", Json::Kind::object);
  for (const auto& option : group.options) {
    const auto& name = option.first;  // plain references: clang 14 cannot capture structured bindings
    const auto& value = option.second;
    const auto* then = before.find(name);
    if (then == nullptr) {
      notes.push_back(
          fmt::format("`{}`: the checkpoint is older than option `{}`; it counts as its default {} there, {} here",
                      group.id, name, to_string(descriptor.table.find(name)->default_value), to_string(value)));
      continue;
    }
    if (dump_json(*then) != dump_json(to_json(value))) {
      notes.push_back(fmt::format("`{}`: `{}` {} in the checkpoint, {} here; the spec holds", group.id, name,
                                  dump_json(*then), to_string(value)));
      continue;
    }
    const auto* written = live.find(name);
    const auto& held = *find_option(now.options, name);
    if (written == nullptr || dump_json(*written) == dump_json(to_json(held))) continue;
    const auto driven =
        std::any_of(group.schedules.begin(), group.schedules.end(), [&](const auto& one) { return one.first == name; });
    const auto restored = option_value_from_json(*written);
    auto legal = restored.value_or(OptionValue());
    if (driven || !restored || !check_option(*descriptor.table.find(name), legal).empty()) {
      notes.push_back(fmt::format("`{}`: `{}` was set to {} before saving, which this plan does not allow; {} holds",
                                  group.id, name, dump_json(*written), to_string(held)));
      continue;
    }
    writes.emplace_back(name, legal);
  }
  return writes;
}

}  // namespace

/// What a checkpoint says about values, where spec and checkpoint were planned alike. Where they were not, the spec
/// holds and a note says so.
struct ComposedOptimizer::Impl::SavedValues {
  std::int64_t applied = 0;
  std::int64_t calls = 0;
  std::int64_t skipped = 0;
  std::optional<double> base_lr{};
  std::vector<std::optional<double>> lr{};  ///< by group
  std::vector<OptionWrites> writes{};       ///< by group
};

ComposedOptimizer::Impl::SavedValues ComposedOptimizer::Impl::read_values(const CheckpointIndex& index,
                                                                          const std::string& path,
                                                                          std::vector<std::string>& notes) {
  const auto& root = index.root();
  SavedValues values;
  values.lr.resize(planned.groups.size());
  values.writes.resize(planned.groups.size());
  const auto* saved_base = root.find("planned_base_lr");
  const auto* saved_live = root.find("base_lr");
  const auto planned_base = planned.base_lr ? Json::real(*planned.base_lr) : Json::null();
  if (saved_base != nullptr && saved_live != nullptr && dump_json(*saved_base) == dump_json(planned_base)) {
    if (saved_live->is_number()) values.base_lr = saved_live->as_double();
  } else {
    notes.push_back(fmt::format("base_lr: {} in the checkpoint, {} here; the spec holds", text_of(saved_base),
                                dump_json(planned_base)));
  }
  const auto& now = current_plan();
  for (const auto& saved : index.get(root, "groups", Json::Kind::array).items()) {
    const auto id = index.string(saved, "id");
    const auto group =
        std::find_if(planned.groups.begin(), planned.groups.end(), [&](const auto& one) { return one.id == id; });
    if (group == planned.groups.end()) {
      notes.push_back(fmt::format("optimizer `{}` of the checkpoint is not in this plan", id));
      continue;
    }
    const auto g = static_cast<std::size_t>(group - planned.groups.begin());
    values.lr[g] = live_lr(saved, *group, path, notes);
    values.writes[g] = live_options(index, saved, *group, now.groups[g], *registry.find(group->plugin), notes);
    try {
      checked_options(g, values.writes[g]);
    } catch (const OptimizerError& error) {
      notes.push_back(
          fmt::format("the options set before saving do not fit this plan, whose values hold: {}", error.what()));
      values.writes[g].clear();
    }
    const auto schedules = dump_json(index.get(saved, "schedules", Json::Kind::object));
    if (const auto here = dump_json(schedules_json(*group)); schedules != here) {
      notes.push_back(
          fmt::format("`{}`: schedules {} in the checkpoint, {} here; the spec holds", id, schedules, here));
    }
  }
  values.applied = index.count("applied_steps");
  values.calls = index.count("calls");
  values.skipped = index.count("skipped_steps");
  return values;
}

void ComposedOptimizer::Impl::take_values(const SavedValues& values) {
  t = values.applied;
  calls = values.calls;
  skipped = values.skipped;
  if (values.base_lr) plan.base_lr = values.base_lr;
  for (std::size_t g = 0; g < values.writes.size(); ++g) {
    if (values.lr[g]) set_group_lr(g, *values.lr[g]);
    if (!values.writes[g].empty()) take_options(g, values.writes[g]);
  }
}

LoadReport ComposedOptimizer::Impl::load(const std::string& path) {
  const c10::NoGradGuard no_grad;
  if (communicator->failed()) communicator->recover();
  LoadReport report;
  bool told = false;  // whether the ranks know of each other's refusals
  try {
    const CheckpointIndex index(path);
    const auto saved_key = match_state(index, path, current_plan(), registry, parameters);
    const auto file = open_data(index, path);
    check_data(file, path, saved_key, parameters);
    const auto values = read_values(index, path, report.notes);
    // Everything has been checked here. If one rank refuses, all do, and the run can go on as it was.
    told = true;
    for (const auto& refusal : communicator->all_gather("")) {
      if (!refusal.empty()) throw CheckpointError(refusal);
    }
    scatter_state(parameters, communicator->rank(),
                  [&](const StateEntry& entry) { return file.tensor(saved_name(saved_key, entry.name)); });
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
