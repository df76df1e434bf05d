#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace switchyard {

/// LoadOptions::rename, checked: pairs of whole names, or of beginnings that end with a dot or are empty. The first
/// pair that matches a name renames it.
class Renames {
 public:
  /// Throws CheckpointError for a pair of a beginning and a name, or of two empty texts.
  explicit Renames(const std::vector<std::pair<std::string, std::string>>& pairs);

  std::string of(const std::string& name);
  /// A line about each pair that has matched no name so far: "`a.` -> `b.`".
  std::vector<std::string> idle() const;

 private:
  struct Pair {
    std::string from;
    std::string to;
    bool beginning = false;
    std::size_t matched = 0;
  };
  std::vector<Pair> pairs_;
};

}  // namespace switchyard
