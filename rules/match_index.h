#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/parameter_table.h"
#include "rules/literal_set.h"
#include "rules/match.h"

namespace switchyard {

/// Answers "which of these matches hold for this parameter" for many matches and many parameters.
///
/// Comparing every pattern with every name would be 10^8 comparisons for 1,000 rules and 100,000 parameters. Instead a
/// pattern is looked up by that piece of its plain text which is rarest among the names of the model: one pass over a
/// name finds the pieces that occur in it, and only their patterns are tried. Matches that look at no name are judged
/// once for each kind of parameter (shape, dtype, module, tied).
class MatchIndex {
 public:
  struct Entry {
    const Match* match = nullptr;
    const Match* except = nullptr;  ///< may be null
    bool enabled = true;            ///< a disabled entry never matches
  };

  /// Keeps references to all three.
  MatchIndex(const PatternList& patterns, std::vector<Entry> entries, const ParameterTable& table);

  /// Sets bit i of `out` (64 a word) for each entry i that holds for the parameter under these names.
  void matching(const ParameterInfo& info, const std::vector<std::string>& names, std::vector<std::uint64_t>& out);

  /// Pattern hits of the last call.
  const std::vector<char>& hits() const { return hits_; }

 private:
  struct Branch {
    int pattern = 0;
    int branch = -1;  ///< of a glob; -1 for an expression
  };

  void index_patterns(const ParameterTable& table);
  void find_hits(const std::vector<std::string>& names);
  bool judge(int entry, const Subject& subject) const;
  const std::vector<int>& judge_kind(const ParameterInfo& info, const Subject& subject);
  void try_branch(const Branch& branch, const std::string& name);

  const PatternList& patterns_;
  std::vector<Entry> entries_;
  std::vector<std::vector<int>> by_pattern_;  ///< entries that a pattern is an anchor of
  std::vector<int> unanchored_;               ///< entries that look at names but have no anchors
  std::vector<int> nameless_;                 ///< entries that look at no name
  std::vector<char> name_only_;               ///< entries that hold as soon as an anchor hits

  std::unordered_map<std::string, std::vector<int>> exact_;  ///< plain-text branches: name -> patterns
  LiteralSet literals_{{}};
  std::vector<std::vector<Branch>> by_literal_;
  std::vector<Branch> always_;  ///< branches without plain text

  std::unordered_map<std::string, std::vector<int>> kinds_;
  std::size_t kinds_size_ = 0;
  std::string kind_key_;
  std::vector<int> kind_scratch_;

  std::vector<char> hits_;
  std::vector<int> hit_list_;
  std::vector<std::uint32_t> literal_seen_;
  std::uint32_t stamp_ = 0;
};

}  // namespace switchyard
