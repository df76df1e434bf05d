#include "core/key_order.h"

#include <algorithm>
#include <cstdint>

namespace switchyard {

namespace {

struct Entry {
  std::uint64_t head = 0;  ///< the first eight bytes after the common beginning, zeros past the end
  std::size_t number = 0;
};

std::size_t common_beginning(const std::vector<std::string_view>& keys) {
  auto length = keys.empty() ? 0 : keys.front().size();
  for (const auto key : keys) {
    const auto end = std::min(length, key.size());
    length = static_cast<std::size_t>(std::mismatch(key.begin(), key.begin() + end, keys.front().begin()).first -
                                      key.begin());
  }
  return length;
}

std::uint64_t head_of(std::string_view rest) {
  std::uint64_t head = 0;
  for (std::size_t i = 0; i < 8; ++i)
    head = head << 8 | (i < rest.size() ? static_cast<unsigned char>(rest[i]) : std::uint64_t{0});
  return head;
}

}  // namespace

std::vector<std::size_t> key_order(const std::vector<std::string_view>& keys) {
  const auto begin = common_beginning(keys);
  std::vector<Entry> entries(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) entries[i] = {head_of(keys[i].substr(begin)), i};
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    if (a.head != b.head) return a.head < b.head;
    const auto order = keys[a.number].compare(keys[b.number]);
    return order != 0 ? order < 0 : a.number < b.number;
  });
  std::vector<std::size_t> out(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) out[i] = entries[i].number;
  return out;
}

}  // namespace switchyard
