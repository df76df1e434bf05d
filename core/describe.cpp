#include "core/describe.h"

#include <algorithm>

namespace switchyard {

const OptionInfo* OptionTable::find(std::string_view name) const {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](const OptionInfo& info) { return info.name == name; });
  return found == options.end() ? nullptr : &*found;
}

std::vector<std::string> OptionTable::names() const {
  std::vector<std::string> out;
  for (const auto& info : options) out.push_back(info.name);
  return out;
}

OptionValues OptionTable::defaults() const {
  OptionValues values;
  for (const auto& info : options) values.emplace_back(info.name, info.default_value);
  return values;
}

const OptionInfo* OptionTable::with_role(OptionRole role) const {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](const OptionInfo& info) { return info.role == role; });
  return found == options.end() ? nullptr : &*found;
}

}  // namespace switchyard
