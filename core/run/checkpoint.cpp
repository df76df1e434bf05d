#include <c10/core/GradMode.h>

#include <optional>
#include <set>
#include <utility>

#include "core/json.h"
#include "core/run/checkpoint_folder.h"
#include "core/run/checkpoint_index.h"
#include "core/run/composed_impl.h"
#include "core/run/state_store.h"
#include "core/run/tensor_file.h"

/// A checkpoint is a folder with index.json and the safetensors file that it names. The index is renamed into place
/// last, so it always speaks of a complete data file; what it does not name goes away only after that, and before the
/// next save.
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
  if (!data_name.empty()) {
    index.set("data", data_name);
    index.set("checksum", checksum);
  }
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

void ComposedOptimizer::Impl::agree_on(const std::string& refusal) {
  if (communicator->size() == 1) {
    if (!refusal.empty()) throw CheckpointError(refusal);
    return;
  }
  for (const auto& one : communicator->all_gather(refusal)) {
    if (!one.empty()) throw CheckpointError(one);
  }
}

void ComposedOptimizer::Impl::save(const std::string& path) {
  const CallGuard entered(running, "save");
  throw_if_poisoned();
  const c10::NoGradGuard no_grad;
  const bool writer = communicator->rank() == 0;
  try {
    const auto& now = current_plan();
    std::vector<SafetensorsEntry> entries;
    for (const auto& entry : state_entries(parameters))
      entries.push_back({entry.name, safetensors_dtype(entry.dtype), entry.shape});
    entries = lay_out_safetensors(std::move(entries));

    std::optional<CheckpointFolder> folder;
    std::string refusal;
    if (writer) {
      try {
        folder.emplace(path);
        folder->clear();
      } catch (const CheckpointError& error) {
        refusal = error.what();
      }
    }
    agree_on(refusal);

    StateGatherer gatherer(parameters, *communicator);
    std::size_t gathered = 0;
    const auto next = [&](const SafetensorsEntry& entry) {
      ++gathered;
      return gatherer.gather(entry.name);
    };
    if (writer) {
      try {
        const auto data_name = folder->new_data_name(t, now.state_hash);
        const auto checksum = write_tensor_file(path + "/" + data_name, entries,
                                                {{"format", "switchyard"}, {"state_hash", now.state_hash}}, next);
        CheckpointIndex::write(path, index_of(now, data_name, checksum));
        folder->clear();
      } catch (const CheckpointError& error) {
        refusal = error.what();
        folder->clear();  // a data file that no index names
      }
    }
    // A disk that fails is rank 0's alone: all go through the exchanges to their end, and then hear of it.
    while ((!writer || communicator->size() > 1) && gathered < entries.size()) next(entries[gathered]);
    agree_on(refusal);  // nobody goes on before the checkpoint is there
  } catch (const CheckpointError&) {
    throw;  // on all ranks alike
  } catch (const std::exception& error) {
    communicator->fail(error.what());
    throw;
  }
}

StateTensors ComposedOptimizer::Impl::gather_state() {
  const c10::NoGradGuard no_grad;
  StateTensors out;
  StateGatherer gatherer(parameters, *communicator);
  for (const auto& entry : state_entries(parameters)) {
    auto whole = gatherer.gather(entry.name);
    if (whole.defined()) out.emplace_back(entry.name, std::move(whole));
  }
  return out;
}

OptimizerState ComposedOptimizer::Impl::snapshot() {
  const CallGuard entered(running, "snapshot");
  throw_if_poisoned();
  OptimizerState out;
  out.tensors = gather_state();
  if (communicator->rank() == 0) out.index = CheckpointIndex::text(index_of(current_plan(), "", ""));
  return out;
}

}  // namespace switchyard
