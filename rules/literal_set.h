#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// Finds which of many texts occur in a name, all in one pass (Aho and Corasick, 1975).
class LiteralSet {
 public:
  /// Texts must be distinct and not empty.
  explicit LiteralSet(const std::vector<std::string>& literals);

  /// Calls visit(i) for each occurrence of literal i; one literal may be reported several times.
  template <class Visit>
  void find(std::string_view name, Visit&& visit) const {
    std::uint32_t node = 0;
    for (const char c : name) {
      node = next_[node * width_ + class_of_[static_cast<unsigned char>(c)]];
      for (auto at = ends_[node] >= 0 ? node : shorter_[node]; at != 0; at = shorter_[at]) visit(ends_[at]);
    }
  }

 private:
  std::size_t width_ = 1;  ///< classes of bytes; class 0 holds those of no literal
  std::array<std::uint8_t, 256> class_of_{};
  std::vector<std::uint32_t> next_;     ///< [node][class]
  std::vector<std::int32_t> ends_;      ///< the literal that ends at a node, or -1
  std::vector<std::uint32_t> shorter_;  ///< the nearest proper suffix node at which a literal ends; 0 for none
};

}  // namespace switchyard
