#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "core/json.h"
#include "core/run/atomic_file.h"
#include "core/run/composed_impl.h"
#include "core/run/state_store.h"
#include "core/run/tensor_file.h"

/// A checkpoint is a folder with index.json and the safetensors file that it names. The index is renamed into place
/// last, so it always speaks of a complete data file; the previous data file goes away only after that.
namespace switchyard {

namespace {

constexpr const char* index_name = "index.json";

Json option_map(const OptionValues& values) {
  auto json = Json::object();
  for (const auto& [name, value] : values) json.set(name, to_json(value));
  return json;
}

Json schedule_map(const PlannedGroup& group) {
  auto json = Json::object();
  for (const auto& [name, schedule] : group.schedules) json.set(name, to_json(schedule));
  return json;
}

std::string text_of(const Json* value) { return value == nullptr ? "absent" : dump_json(*value); }

std::string read_text(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    throw CheckpointError(fmt::format("there is no checkpoint index {}", path));
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw CheckpointError(fmt::format("cannot read {}", path));
  return text.str();
}

/// The members of the index, with the kinds that they must have.
class Index {
 public:
  explicit Index(const std::string& path) : path_(path) {
    const auto text = read_text(path);
    Diagnostics diagnostics;
    auto json = parse_json(text, path, diagnostics);
    if (!json || diagnostics.has_errors()) throw CheckpointError(render(diagnostics, {{path, text}}));
    json_ = std::move(*json);
    if (integer(json_, "switchyard_checkpoint") != 1)
      throw CheckpointError(fmt::format("{} has a format version that this build does not know", path));
  }

  const Json& root() const { return json_; }
  const Json& get(const Json& object, const char* key, Json::Kind kind) const {
    const auto* value = object.find(key);
    if (value == nullptr || !value->is(kind))
      throw CheckpointError(fmt::format("{}: `{}` is missing or has the wrong type", path_, key));
    return *value;
  }
  std::int64_t integer(const Json& object, const char* key) const {
    return get(object, key, Json::Kind::integer).as_int();
  }
  std::string string(const Json& object, const char* key) const {
    return get(object, key, Json::Kind::string).as_string();
  }

 private:
  std::string path_;
  Json json_;
};

/// The line of a parameter's state without its key, which may have changed with the aliases.
std::string without_key(const std::string& line, const std::string& key) {
  const auto prefix = dump_json(Json::string(key)) + " ";
  return line.compare(0, prefix.size(), prefix) == 0 ? line.substr(prefix.size()) : line;
}

}  // namespace

void ComposedOptimizer::Impl::save(const std::string& path) {
  throw_if_poisoned();
  const c10::NoGradGuard no_grad;
  const auto& now = current_plan();
  const bool writer = communicator->rank() == 0;
  try {
    std::string data_name;
    if (writer) {
      make_folder(path);
      data_name = fmt::format("state-{}-{}.safetensors", t, now.state_hash.substr(0, 8));
      // Saving twice at one step must not overwrite the file that the index of now speaks of.
      for (int copy = 1; ::access((path + "/" + data_name).c_str(), F_OK) == 0; ++copy) {
        data_name = fmt::format("state-{}-{}.{}.safetensors", t, now.state_hash.substr(0, 8), copy);
      }
    }
    std::vector<SafetensorsEntry> entries;
    for (const auto& entry : state_entries(parameters))
      entries.push_back({entry.name, safetensors_dtype(entry.dtype), entry.shape});
    entries = lay_out_safetensors(std::move(entries));
    StateGatherer gatherer(parameters, *communicator);
    if (!writer) {
      for (const auto& entry : entries) gatherer.gather(entry.name);
    } else {
      const auto checksum =
          write_tensor_file(path + "/" + data_name, entries, {{"format", "switchyard"}, {"state_hash", now.state_hash}},
                            [&](const SafetensorsEntry& entry) { return gatherer.gather(entry.name); });
      auto index = Json::object();
      index.set("switchyard_checkpoint", Json::integer(1));
      index.set("data", data_name);
      index.set("checksum", checksum);
      index.set("state_hash", now.state_hash);
      index.set("plan_hash", now.plan_hash);
      index.set("applied_steps", Json::integer(t));
      index.set("calls", Json::integer(calls));
      index.set("skipped_steps", Json::integer(skipped));
      index.set("base_lr", now.base_lr ? Json::real(*now.base_lr) : Json::null());
      index.set("planned_base_lr", planned.base_lr ? Json::real(*planned.base_lr) : Json::null());
      auto plugins = Json::object();
      std::set<std::string> named;
      for (const auto& group : now.groups) {
        if (!named.insert(group.plugin).second) continue;
        const auto& descriptor = *registry.find(group.plugin);
        auto versions = Json::object();
        versions.set("version", descriptor.version);
        versions.set("state_version", Json::integer(descriptor.state_version));
        plugins.set(group.plugin, std::move(versions));
      }
      index.set("plugins", std::move(plugins));
      auto groups = Json::array();
      for (std::size_t g = 0; g < now.groups.size(); ++g) {
        auto group = Json::object();
        group.set("id", now.groups[g].id);
        group.set("plugin", now.groups[g].plugin);
        group.set("lr", Json::real(now.groups[g].lr));
        group.set("planned_lr", Json::real(planned.groups[g].lr));
        group.set("options", option_map(now.groups[g].options));
        group.set("planned_options", option_map(planned.groups[g].options));
        group.set("schedules", schedule_map(now.groups[g]));
        groups.push(std::move(group));
      }
      index.set("groups", std::move(groups));
      auto lines = Json::object();
      for (const auto& [key, line] : state_lines(now, registry)) lines.set(key, line);
      index.set("state", std::move(lines));
      index.set("plan", to_json(now, {}));
      std::string previous;
      try {
        const Index old(path + "/" + index_name);
        previous = old.string(old.root(), "data");
      } catch (const CheckpointError&) {  // no checkpoint here yet, or one that nobody can read
        previous.clear();
      }
      AtomicFile index_file(path + "/" + index_name);
      index_file.write(dump_json(index, 1) + "\n");
      index_file.commit();
      const bool plain = !previous.empty() && previous != data_name && previous.find('/') == std::string::npos;
      if (plain) ::unlink((path + "/" + previous).c_str());
    }
    communicator->all_gather("saved");  // nobody goes on before the checkpoint is there
  } catch (const std::exception& error) {
    communicator->fail(error.what());
    throw;
  }
}

LoadReport ComposedOptimizer::Impl::load(const std::string& path) {
  const c10::NoGradGuard no_grad;
  LoadReport report;
  bool told = false;  // whether the ranks know of each other's refusals
  try {
    const Index index(path + "/" + index_name);
    const auto& root = index.root();
    const auto& now = current_plan();

    // 1. State: what must agree. Saved keys are found through any name of a parameter.
    const auto& saved_lines = index.get(root, "state", Json::Kind::object);
    const auto& saved_plan = index.get(root, "plan", Json::Kind::object);
    std::map<std::string, std::string> key_of_name;
    for (const auto& saved : index.get(saved_plan, "parameters", Json::Kind::array).items()) {
      std::vector<std::string> names = {index.string(saved, "name")};
      for (const auto& alias : index.get(saved, "aliases", Json::Kind::array).items()) {
        if (alias.is(Json::Kind::string)) names.push_back(alias.as_string());
      }
      const auto key = *std::min_element(names.begin(), names.end());
      for (const auto& name : names) key_of_name.emplace(name, key);
    }
    std::string problems;
    const auto problem = [&](const std::string& text) { problems += "\n  " + text; };
    std::map<std::string, std::string> saved_key;  // by key of now
    std::set<std::string> used;
    const auto lines = state_lines(now, registry);
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
        problem(fmt::format("`{}` has no state in the checkpoint; the plan wants: {}", parameter.name(), wanted));
        continue;
      }
      used.insert(key);
      saved_key[parameter.key()] = key;
      const auto given = without_key(line->as_string(), key);
      if (given != wanted)
        problem(fmt::format("`{}`: the checkpoint has {}; the plan wants {}", parameter.name(), given, wanted));
    }
    for (const auto& member : saved_lines.members()) {
      if (used.count(member.key) == 0)
        problem(fmt::format("`{}` has state in the checkpoint but is not trained by this plan", member.key));
    }
    if (!problems.empty()) {
      throw CheckpointError(fmt::format("{} is a checkpoint of another plan (state {} there, {} here):{}", path,
                                        index.string(root, "state_hash").substr(0, 16), now.state_hash.substr(0, 16),
                                        problems));
    }

    // 2. The data: complete, unchanged, and of the shapes that the plan has.
    const auto data_name = index.string(root, "data");
    if (data_name.find('/') != std::string::npos)
      throw CheckpointError(fmt::format("{}: `data` must be a file of the folder", path));
    const TensorFile file(path + "/" + data_name);
    if (file.checksum() != index.string(root, "checksum")) {
      throw CheckpointError(fmt::format("{}/{} is damaged: its checksum is {}, the index says {}", path, data_name,
                                        file.checksum(), index.string(root, "checksum")));
    }
    const auto saved_name = [&](const std::string& name) {
      for (const auto& [key, saved] : saved_key) {
        if (key != saved && name.compare(0, key.size() + 1, key + "/") == 0) return saved + name.substr(key.size());
      }
      return name;
    };
    for (const auto& entry : state_entries(parameters)) {
      const auto* saved = file.header().find(saved_name(entry.name));
      if (saved == nullptr) {
        problem(fmt::format("`{}` is missing", entry.name));
      } else if (saved->shape != entry.shape || saved->dtype != safetensors_dtype(entry.dtype)) {
        problem(fmt::format("`{}` is {} {}, expected {} {}", entry.name, saved->dtype, to_string(saved->shape),
                            safetensors_dtype(entry.dtype), to_string(entry.shape)));
      }
    }
    for (const auto& parameter : parameters) {
      const auto name = saved_name(parameter.key() + "/count");
      if (parameter.frozen() || !problems.empty()) continue;
      if (const auto count = file.tensor(name).item<std::int64_t>(); count < 0)
        problem(fmt::format("`{}` is {}, expected a number >= 0", name, count));
    }
    if (file.header().entries.size() != state_entries(parameters).size() && problems.empty()) {
      problem(fmt::format("{} tensors, expected {}", file.header().entries.size(), state_entries(parameters).size()));
    }
    if (!problems.empty())
      throw CheckpointError(fmt::format("{}/{} does not fit its index:{}", path, data_name, problems));

    // 3. Values: where spec and checkpoint were planned alike, what was written through groups() comes back; where they
    // were not, the spec holds and the difference is reported.
    std::vector<OptionWrites> writes(planned.groups.size());
    std::vector<std::optional<double>> live_lr(planned.groups.size());
    std::optional<double> live_base_lr;
    const auto* saved_base = root.find("planned_base_lr");
    const auto* saved_live = root.find("base_lr");
    const auto planned_base = planned.base_lr ? Json::real(*planned.base_lr) : Json::null();
    if (saved_base != nullptr && saved_live != nullptr && dump_json(*saved_base) == dump_json(planned_base)) {
      if (saved_live->is_number()) live_base_lr = saved_live->as_double();
    } else {
      report.notes.push_back(fmt::format("base_lr: {} in the checkpoint, {} here; the spec holds", text_of(saved_base),
                                         dump_json(planned_base)));
    }
    for (const auto& saved : index.get(root, "groups", Json::Kind::array).items()) {
      const auto id = index.string(saved, "id");
      const auto group =
          std::find_if(planned.groups.begin(), planned.groups.end(), [&](const auto& one) { return one.id == id; });
      if (group == planned.groups.end()) {
        report.notes.push_back(fmt::format("optimizer `{}` of the checkpoint is not in this plan", id));
        continue;
      }
      const auto g = static_cast<std::size_t>(group - planned.groups.begin());
      const auto* lr = saved.find("planned_lr");
      const auto* written_lr = saved.find("lr");
      if (lr != nullptr && lr->is_number() && lr->as_double() == group->lr) {
        if (written_lr != nullptr && written_lr->is_number()) live_lr[g] = written_lr->as_double();
        if (live_lr[g] && !(*live_lr[g] >= 0))
          throw CheckpointError(fmt::format("{}: the lr of `{}` is {}, expected a number >= 0", path, id, *live_lr[g]));
      } else {
        report.notes.push_back(fmt::format("`{}`: lr {} in the checkpoint, {} here; the spec holds", id, text_of(lr),
                                           shortest(group->lr)));
      }
      const auto& before = index.get(saved, "planned_options", Json::Kind::object);
      const auto& live = index.get(saved, "options", Json::Kind::object);
      for (const auto& option : group->options) {
        const auto& name = option.first;  // plain references: clang 14 cannot capture structured bindings
        const auto& value = option.second;
        const auto* then = before.find(name);
        if (then == nullptr) {
          const auto& fallback = registry.find(group->plugin)->table.find(name)->default_value;
          report.notes.push_back(
              fmt::format("`{}`: the checkpoint is older than option `{}`; it counts as its default {} there, {} here",
                          id, name, to_string(fallback), to_string(value)));
          continue;
        }
        if (dump_json(*then) != dump_json(to_json(value))) {
          report.notes.push_back(fmt::format("`{}`: `{}` {} in the checkpoint, {} here; the spec holds", id, name,
                                             dump_json(*then), to_string(value)));
          continue;
        }
        // Written before saving or not: what was written here since then goes.
        const auto* written = live.find(name);
        if (written == nullptr || dump_json(*written) == dump_json(to_json(*find_option(now.groups[g].options, name))))
          continue;
        const auto driven = std::any_of(group->schedules.begin(), group->schedules.end(),
                                        [&](const auto& one) { return one.first == name; });
        const auto restored = option_value_from_json(*written);
        auto legal = restored.value_or(OptionValue());
        if (driven || !restored || !check_option(*registry.find(group->plugin)->table.find(name), legal).empty()) {
          report.notes.push_back(
              fmt::format("`{}`: `{}` was set to {} before saving, which this plan does not allow; {} holds", id, name,
                          dump_json(*written), to_string(*find_option(now.groups[g].options, name))));
          continue;
        }
        writes[g].emplace_back(name, legal);
      }
      try {
        checked_options(g, writes[g]);
      } catch (const OptimizerError& error) {
        report.notes.push_back(
            fmt::format("the options set before saving do not fit this plan, whose values hold: {}", error.what()));
        writes[g].clear();
      }
      if (dump_json(index.get(saved, "schedules", Json::Kind::object)) != dump_json(schedule_map(*group))) {
        report.notes.push_back(fmt::format("`{}`: schedules {} in the checkpoint, {} here; the spec holds", id,
                                           dump_json(index.get(saved, "schedules", Json::Kind::object)),
                                           dump_json(schedule_map(*group))));
      }
    }
    const auto count_of = [&](const char* key) {
      const auto count = index.integer(root, key);
      if (count < 0) throw CheckpointError(fmt::format("{}: `{}` is {}, expected a number >= 0", path, key, count));
      return count;
    };
    const auto applied = count_of("applied_steps");
    const auto made = count_of("calls");
    const auto skips = count_of("skipped_steps");

    // 4. Everything has been checked on every rank: take it over. If one rank refuses, all do, and the run can go on as
    // it was.
    told = true;
    for (const auto& refusal : communicator->all_gather("")) {
      if (!refusal.empty()) throw CheckpointError(refusal);
    }
    scatter_state(parameters, communicator->rank(),
                  [&](const StateEntry& entry) { return file.tensor(saved_name(entry.name)); });
    t = applied;
    calls = made;
    skipped = skips;
    if (live_base_lr) plan.base_lr = live_base_lr;
    for (std::size_t g = 0; g < writes.size(); ++g) {
      if (live_lr[g]) set_group_lr(g, *live_lr[g]);
      if (!writes[g].empty()) take_options(g, writes[g]);
    }
    for (auto& parameter : parameters) {
      seen_gradient[parameter.order] = parameter.count > 0 ? 1 : 0;
      // A master that came with the checkpoint must be compared with the parameter, which the caller loads by himself.
      parameter.version = parameter.tensor._version() - 1;
    }
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
