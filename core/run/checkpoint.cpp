#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <unistd.h>

#include <set>

#include "core/json.h"
#include "core/run/atomic_file.h"
#include "core/run/checkpoint_index.h"
#include "core/run/composed_impl.h"
#include "core/run/state_store.h"
#include "core/run/tensor_file.h"

/// A checkpoint is a folder with index.json and the safetensors file that it names. The index is renamed into place
/// last, so it always speaks of a complete data file; the previous data file goes away only after that.
namespace switchyard {

namespace {

Json option_map(const OptionValues& values) {
  auto json = Json::object();
  for (const auto& [name, value] : values) json.set(name, to_json(value));
  return json;
}

}  // namespace

Json schedules_json(const PlannedGroup& group) {
  auto json = Json::object();
  for (const auto& [name, schedule] : group.schedules) json.set(name, to_json(schedule));
  return json;
}

Json ComposedOptimizer::Impl::index_of(const Plan& now, const std::string& data_name,
                                       const std::string& checksum) const {
  auto index = Json::object();
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
    group.set("schedules", schedules_json(now.groups[g]));
    groups.push(std::move(group));
  }
  index.set("groups", std::move(groups));
  auto lines = Json::object();
  for (const auto& [key, line] : state_lines(now, registry)) lines.set(key, line);
  index.set("state", std::move(lines));
  index.set("plan", to_json(now, {}));
  return index;
}

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
      std::string previous;
      try {
        const CheckpointIndex old(path);
        previous = old.string(old.root(), "data");
      } catch (const CheckpointError&) {  // no checkpoint here yet, or one that nobody can read
        previous.clear();
      }
      CheckpointIndex::write(path, index_of(now, data_name, checksum));
      const bool plain = !previous.empty() && previous != data_name && previous.find('/') == std::string::npos;
      if (plain) ::unlink((path + "/" + previous).c_str());
    }
    communicator->all_gather("saved");  // nobody goes on before the checkpoint is there
  } catch (const std::exception& error) {
    communicator->fail(error.what());
    throw;
  }
}

}  // namespace switchyard
