#include "rules/canonical.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace switchyard {

std::string canonical_name(std::string_view name, const std::vector<std::string>& strip) {
  std::string out;
  for (std::size_t begin = 0;;) {
    const auto dot = name.find('.', begin);
    if (dot == std::string_view::npos) return out + std::string(name.substr(begin));
    const auto segment = name.substr(begin, dot - begin);
    if (std::find(strip.begin(), strip.end(), segment) == strip.end()) out += name.substr(begin, dot + 1 - begin);
    begin = dot + 1;
  }
}

std::optional<ParameterTable> canonical_table(const ParameterTable& table, const std::vector<std::string>& strip,
                                              const Place& place, Diagnostics& diagnostics) {
  constexpr std::size_t most_listed = 20;
  std::vector<ParameterInfo> entries;
  entries.reserve(table.size());
  std::unordered_map<std::string, std::pair<std::size_t, std::string>> owners;
  std::vector<std::string> clashes;
  std::size_t count = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    auto info = table[i];
    std::vector<std::string> names;
    for (const auto& name : table[i].names) {
      auto canonical = canonical_name(name, strip);
      const auto [owner, fresh] = owners.emplace(canonical, std::pair(i, name));
      if (fresh) {
        names.push_back(std::move(canonical));
      } else if (owner->second.first != i && ++count <= most_listed) {
        clashes.push_back(fmt::format("`{}` and `{}` both become `{}`", owner->second.second, name, canonical));
      }
    }
    info.names = std::move(names);
    entries.push_back(std::move(info));
  }
  if (count > 0) {
    auto& finding =
        diagnostics.error("SWY-2030", "`canonical.strip` gives different tensors of the model one name", place);
    if (count > most_listed) clashes.push_back(fmt::format("and {} more", count - most_listed));
    finding.notes = std::move(clashes);
    finding.help = "strip only segments that wrap the whole model or a layer of it";
    return std::nullopt;
  }
  return ParameterTable::build(std::move(entries), diagnostics);
}

}  // namespace switchyard
