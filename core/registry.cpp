#include "core/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace switchyard {

namespace {

bool is_identifier(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string problems_of(const OptimizerDescriptor& descriptor) {
  std::string out;
  const auto problem = [&](std::string text) { out += (out.empty() ? "" : "; ") + std::move(text); };
  if (!is_identifier(descriptor.name)) problem("the name must be made of a-z, 0-9 and _");
  for (const auto& slot : descriptor.slots) {
    if (!is_identifier(slot.name)) problem(fmt::format("slot `{}` must be named with a-z, 0-9 and _", slot.name));
    if (slot.name == "master" || slot.name == "count")
      problem(fmt::format("slot `{}` has a name that the executor uses itself", slot.name));
    if (!slot.when.empty() && descriptor.table.find(slot.when) == nullptr) {
      problem(fmt::format("slot `{}` depends on `{}`, which is not an option", slot.name, slot.when));
    }
    if (slot.shape == SlotShape::per_run && descriptor.traits.unit != Unit::run) {
      problem(fmt::format("slot `{}` is per run but the unit is not a run", slot.name));
    }
    if (owner_slot(slot.shape) && !descriptor.needs_matrix()) {
      problem(fmt::format("slot `{}` belongs to blocks but the plugin works on elements", slot.name));
    }
  }
  if (descriptor.traits.unit == Unit::run && descriptor.traits.run < 1 && descriptor.traits.run_option.empty()) {
    problem("the length of a run must be at least 1");
  }
  if (!descriptor.traits.run_option.empty()) {
    const auto* option = descriptor.table.find(descriptor.traits.run_option);
    if (option == nullptr || option->type != OptionType::integer || option->interval.low < 1) {
      problem(fmt::format("`{}` must be an integer option of at least 1", descriptor.traits.run_option));
    }
  }
  const auto* scale = descriptor.table.with_role(OptionRole::shape_scale);
  if (scale != nullptr && scale->type != OptionType::choice) problem("the shape scale must be a choice");
  return out;
}

}  // namespace

std::vector<Slot> OptimizerDescriptor::active_slots(const OptionValues& values) const {
  std::vector<Slot> out;
  for (const auto& slot : slots) {
    const auto* value = slot.when.empty() ? nullptr : find_option(values, slot.when);
    if (slot.when.empty() || (value != nullptr && truthy(*value))) out.push_back(slot);
  }
  return out;
}

std::int64_t OptimizerDescriptor::run_length(const OptionValues& values) const {
  if (traits.unit != Unit::run) return 1;
  const auto* value = find_option(values, traits.run_option);
  return value == nullptr ? std::max<std::int64_t>(1, traits.run) : std::get<std::int64_t>(*value);
}

double OptimizerDescriptor::scale(const OptionValues& values, std::int64_t out, std::int64_t in) const {
  const auto* option = table.with_role(OptionRole::shape_scale);
  const auto* value = option == nullptr ? nullptr : find_option(values, option->name);
  return value == nullptr ? 1.0 : shape_scale(shape_scale_from_name(std::get<std::string>(*value)), out, in);
}

void Registry::add(OptimizerDescriptor descriptor) {
  auto problems = problems_of(descriptor);
  if (find(descriptor.name) != nullptr) problems += (problems.empty() ? "" : "; ") + std::string("the name is taken");
  if (!problems.empty())
    throw OptimizerError(fmt::format("plugin `{}` cannot be registered: {}", descriptor.name, problems));
  const auto at =
      std::upper_bound(optimizers_.begin(), optimizers_.end(), descriptor.name,
                       [](const std::string& name, const OptimizerDescriptor& other) { return name < other.name; });
  optimizers_.insert(at, std::move(descriptor));
}

const OptimizerDescriptor* Registry::find(std::string_view name) const {
  const auto found =
      std::find_if(optimizers_.begin(), optimizers_.end(), [&](const auto& other) { return other.name == name; });
  return found == optimizers_.end() ? nullptr : &*found;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> out;
  for (const auto& descriptor : optimizers_) out.push_back(descriptor.name);
  return out;
}

}  // namespace switchyard
