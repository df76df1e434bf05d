#include "core/execution.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "core/key_order.h"
#include "core/recent.h"

namespace switchyard {

namespace {

/// lr and decay are not part of what makes calls different: they travel with each piece.
bool is_rate(const OptimizerDescriptor& descriptor, const std::string& name) {
  const auto* decay = descriptor.table.with_role(OptionRole::weight_decay);
  return name == "lr" || (decay != nullptr && name == decay->name);
}

/// Options other than lr and decay, as text.
std::string settings_text(const OptimizerDescriptor& descriptor, const OptionValues& values) {
  auto key = descriptor.name;
  for (const auto& [name, value] : values) {
    if (!is_rate(descriptor, name)) key += "\n" + name + "=" + dump_json(to_json(value));
  }
  return key;
}

/// What makes the calls of parameters equal, but for lr and decay.
struct CallKey {
  SharedOptions settings;
  std::vector<std::string> own_settings;
  const PlannedGroup* group = nullptr;
  const OptimizerDescriptor* descriptor = nullptr;
  Dtype dtype = Dtype::float32;

  bool operator==(const CallKey&) const = default;
};

std::string text_of(const CallKey& key) {
  auto text = settings_text(*key.descriptor, key.settings);
  for (const auto& [name, schedule] : schedules_of(key.own_settings, *key.group)) {
    if (!is_rate(*key.descriptor, name)) text += "\n" + name + "~" + dump_json(to_json(schedule));
  }
  return text + "\n" + std::string(to_string(key.dtype));
}

void form_batches(ExecutionGroup& group, const std::vector<const PlannedParameter*>& parameters, std::int64_t workspace,
                  const Machine& machine) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<BlockRef>> by_shape;
  for (const auto i : group.parameters) {
    std::size_t b = 0;
    for (const auto& part : parameters[i]->parts) {
      for (std::int64_t n = 0; n < part.count; ++n, ++b) {
        if (part.out > 0 && part.in > 0) by_shape[{part.out, part.in}].push_back({i, b});
      }
    }
  }
  const auto element = size_of(work_dtype(group.dtype));
  for (const auto& [shape, entries] : by_shape) {
    const auto slot =
        padded_bytes(shape.first * shape.second, element) * (group.descriptor->traits.needs_param ? 2 : 1);
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(1, workspace / slot));
    for (std::size_t begin = 0; begin < entries.size(); begin += most) {
      const auto end = std::min(begin + most, entries.size());
      PlannedBatch batch;
      batch.out = shape.first;
      batch.in = shape.second;
      batch.work = work_dtype(group.dtype);
      batch.entries.assign(entries.begin() + static_cast<std::ptrdiff_t>(begin),
                           entries.begin() + static_cast<std::ptrdiff_t>(end));
      batch.bytes = slot * static_cast<std::int64_t>(end - begin);
      if (group.descriptor->scratch)
        batch.scratch = group.descriptor->scratch(batch.out, batch.in, batch.work, group.settings, machine);
      group.batches.push_back(std::move(batch));
    }
  }
}

}  // namespace

std::int64_t padded_bytes(std::int64_t elements, std::int64_t element_size) {
  return (elements * element_size + 63) / 64 * 64;
}

std::vector<std::pair<std::string, Schedule>> schedules_of(const PlannedParameter& parameter,
                                                           const PlannedGroup& group) {
  return schedules_of(parameter.own_settings, group);
}

std::vector<std::pair<std::string, Schedule>> schedules_of(const std::vector<std::string>& own,
                                                           const PlannedGroup& group) {
  std::vector<std::pair<std::string, Schedule>> out;
  for (const auto& entry : group.schedules) {
    if (std::find(own.begin(), own.end(), entry.first) == own.end()) out.push_back(entry);
  }
  return out;
}

std::vector<ExecutionGroup> execution_groups(const std::vector<const PlannedParameter*>& parameters,
                                             const std::vector<PlannedGroup>& groups, const Registry& registry,
                                             std::int64_t workspace, const Machine& machine) {
  std::vector<std::string_view> keys;
  keys.reserve(parameters.size());
  for (const auto* parameter : parameters) keys.push_back(parameter->info.key());
  std::map<std::string, ExecutionGroup> formed;
  Recent<CallKey, std::string> texts(text_of);
  for (const auto i : key_order(keys)) {
    const auto& parameter = *parameters[i];
    if (parameter.frozen()) continue;
    const auto* descriptor = registry.find(parameter.plugin);
    const auto group =
        std::find_if(groups.begin(), groups.end(), [&](const auto& one) { return one.id == parameter.optimizer; });
    if (descriptor == nullptr || group == groups.end()) continue;
    auto& execution =
        formed[texts.of({parameter.settings, parameter.own_settings, &*group, descriptor, parameter.info.dtype})];
    if (execution.parameters.empty()) {
      execution.descriptor = descriptor;
      execution.dtype = parameter.info.dtype;
      execution.settings = parameter.settings;
      for (const auto& [target, schedule] : schedules_of(parameter, *group)) {
        if (!is_rate(*descriptor, target)) execution.schedules.emplace_back(target, schedule);
      }
    }
    execution.parameters.push_back(i);
  }
  std::vector<ExecutionGroup> out;
  for (auto& [key, execution] : formed) {
    if (execution.descriptor->needs_matrix()) {
      form_batches(execution, parameters, workspace, machine);
    } else if (execution.descriptor->scratch) {
      for (const auto i : execution.parameters) {
        const auto bytes = execution.descriptor->scratch(parameters[i]->info.numel(), 1, work_dtype(execution.dtype),
                                                         execution.settings, machine);
        execution.scratch = std::max(execution.scratch, bytes);
      }
    }
    out.push_back(std::move(execution));
  }
  return out;
}

Workspace peak_workspace(const std::vector<ExecutionGroup>& groups) {
  Workspace most;
  std::int64_t scratch = 0;
  for (const auto& group : groups) {
    scratch = std::max(scratch, group.scratch);
    for (const auto& batch : group.batches) {
      most.stack = std::max(most.stack, batch.bytes);
      scratch = std::max(scratch, batch.scratch);
    }
  }
  most.peak = most.stack + scratch;
  return most;
}

}  // namespace switchyard
