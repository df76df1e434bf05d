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
/// name finds the pieces that occur in it, and only their patterns are tried. Parameters that look alike to every match
/// (the same patterns hit; shape, dtype, module, layer and tying agree) are judged once.
class MatchIndex {
 public:
  struct Entry {
    const Match* match = nullptr;
    const Match* except = nullptr;  ///< may be null
    bool enabled = true;            ///< a disabled entry never matches
  };

  /// Keeps references to all four; `layers` null: no tensor has a layer.
  MatchIndex(const PatternList& patterns, std::vector<Entry> entries, const ParameterTable& table,
             const Layers* layers = nullptr);

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
  /// Fills `likeness_`: all that a match can see of the parameter. Equal texts have equal answers.
  void describe(const ParameterInfo& info, const LayerPlace& layer);
  void try_branch(const Branch& branch, const std::string& name);

  const PatternList& patterns_;
  std::vector<Entry> entries_;
  const Layers* layers_ = nullptr;            ///< null if no entry looks at them
  bool ties_matter_ = false;                  ///< an entry compares a tensor's names with each other
  std::vector<std::vector<int>> by_pattern_;  ///< entries that a pattern is an anchor of
  std::vector<int> unanchored_;               ///< entries that may hold although no pattern hits

  std::unordered_map<std::string, std::vector<int>> exact_;  ///< plain-text branches: name -> patterns
  LiteralSet literals_{{}};
  std::vector<std::vector<Branch>> by_literal_;
  std::vector<Branch> always_;  ///< branches without plain text

  std::unordered_map<std::string, std::vector<std::uint64_t>> known_;
  std::size_t known_words_ = 0;
  std::string likeness_;

  std::vector<char> hits_;
  std::vector<int> hit_list_;
  std::vector<std::uint32_t> literal_seen_;
  std::uint32_t stamp_ = 0;
};

}  // namespace switchyard
