#include "rules/presets.h"

namespace switchyard {

std::optional<std::string_view> find_preset(std::string_view name) {
  for (const auto& [known, text] : presets()) {
    if (known == name) return text;
  }
  return std::nullopt;
}

}  // namespace switchyard
