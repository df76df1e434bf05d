#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace switchyard {

/// Finds positions in a list by name. A search looks at the hashes of about log2(n) names and compares about one name,
/// whatever their number. Holds no names, only positions, so it may be copied with the list.
class NameIndex {
 public:
  NameIndex() = default;

  /// For a list of `size` names, of which name_at(i) is the i-th.
  template <class NameAt>
  NameIndex(std::size_t size, const NameAt& name_at) {
    sorted_.reserve(size);
    for (std::size_t i = 0; i < size; ++i) sorted_.emplace_back(hash(name_at(i)), static_cast<std::uint32_t>(i));
    std::sort(sorted_.begin(), sorted_.end());
  }

  std::size_t size() const { return sorted_.size(); }

  /// The first position with this name. `compared`, if given, is raised by the number of names looked at.
  template <class NameAt>
  std::optional<std::size_t> find(std::string_view name, const NameAt& name_at, std::size_t* compared = nullptr) const {
    const auto wanted = hash(name);
    auto at = std::lower_bound(sorted_.begin(), sorted_.end(), std::pair(wanted, std::uint32_t{0}));
    for (; at != sorted_.end() && at->first == wanted; ++at) {
      if (compared != nullptr) ++*compared;
      if (std::string_view(name_at(at->second)) == name) return at->second;
    }
    return std::nullopt;
  }

 private:
  static std::size_t hash(std::string_view name) { return std::hash<std::string_view>()(name); }

  std::vector<std::pair<std::size_t, std::uint32_t>> sorted_;  ///< (hash, position)
};

}  // namespace switchyard
