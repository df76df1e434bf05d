#include "core/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/remembered.h"

namespace switchyard {

std::int64_t OptimizerDescriptor::chunk_length(const OptionValues& values) const {
  if (traits.unit != Unit::chunk) return 1;
  const auto* value = find_option(values, traits.chunk_option);
  return value == nullptr ? std::max<std::int64_t>(1, traits.chunk) : std::get<std::int64_t>(*value);
}

double OptimizerDescriptor::scale(const OptionValues& values, std::int64_t out, std::int64_t in) const {
  const auto* option = table.with_role(OptionRole::shape_scale);
  const auto* value = option == nullptr ? nullptr : find_option(values, option->name);
  return value == nullptr ? 1.0 : shape_scale(shape_scale_from_name(std::get<std::string>(*value)), out, in);
}

void Registry::add(OptimizerDescriptor descriptor) {
  auto problems = problems_of(descriptor);
  if (find(descriptor.name) != nullptr) problems.emplace_back("the name is taken");
  if (!problems.empty()) {
    throw OptimizerError(
        fmt::format("plugin `{}` cannot be registered: {}", descriptor.name, fmt::join(problems, "; ")));
  }
  descriptor.check = remembered(std::move(descriptor.check));
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
