#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace switchyard {

/// The specs of schemas/presets as they were when this was built, by name without ".json", in order of name.
const std::vector<std::pair<std::string, std::string_view>>& presets();

/// The text of one, if there is such a preset.
std::optional<std::string_view> find_preset(std::string_view name);

}  // namespace switchyard
