#include "rules/literal_set.h"

namespace switchyard {

LiteralSet::LiteralSet(const std::vector<std::string>& literals) {
  for (const auto& literal : literals) {
    for (const char c : literal) {
      auto& group = class_of_[static_cast<unsigned char>(c)];
      // If all 256 bytes occur, the last one has class 0 to itself.
      if (group == 0 && width_ < 256) group = static_cast<std::uint8_t>(width_++);
    }
  }
  constexpr std::uint32_t none = 0;
  const auto add_node = [&] {
    next_.insert(next_.end(), width_, none);
    ends_.push_back(-1);
    shorter_.push_back(0);
    return static_cast<std::uint32_t>(ends_.size() - 1);
  };
  add_node();
  for (std::size_t i = 0; i < literals.size(); ++i) {
    std::uint32_t node = 0;
    for (const char c : literals[i]) {
      const auto edge = node * width_ + class_of_[static_cast<unsigned char>(c)];
      if (next_[edge] == none) {
        const auto fresh = add_node();
        next_[edge] = fresh;
      }
      node = next_[edge];
    }
    ends_[node] = static_cast<std::int32_t>(i);
  }
  // Breadth first: a missing edge goes where the longest proper suffix goes.
  std::vector<std::uint32_t> suffix(ends_.size(), 0);
  std::vector<std::uint32_t> queue;
  for (std::size_t group = 0; group < width_; ++group) {
    if (next_[group] != none) queue.push_back(next_[group]);
  }
  for (std::size_t at = 0; at < queue.size(); ++at) {
    const auto node = queue[at];
    shorter_[node] = ends_[suffix[node]] >= 0 ? suffix[node] : shorter_[suffix[node]];
    for (std::size_t group = 0; group < width_; ++group) {
      auto& edge = next_[node * width_ + group];
      const auto fallback = next_[suffix[node] * width_ + group];
      if (edge == none) {
        edge = fallback;
      } else {
        suffix[edge] = fallback;
        queue.push_back(edge);
      }
    }
  }
}

}  // namespace switchyard
