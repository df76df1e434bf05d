#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "rules/plan_document.h"

namespace switchyard {

/// One difference of one or many parameters.
struct PlanDifference {
  /// What follows from it: `state` makes a checkpoint of one side unloadable under the other; `values` changes what a
  /// step computes; `label` changes neither hash (ids of rules and optimizers, frozen parameters).
  enum class Level : std::uint8_t { state, values, label };
  Level level = Level::label;
  std::string kind;    ///< "added", "removed", "shape", "dtype", "names", "plugin", "optimizer", "rule", "blocks",
                       ///< "slots", "factor", "option", "schedule", "gradients"
  std::string what;    ///< the option, the factor, the scheduled option; else ""
  std::string before;  ///< "" of what is added
  std::string after;   ///< "" of what is removed
  std::vector<std::string> parameters;  ///< display names (of B, or of A for removed ones), in the order of the plan
};

/// Two plans compared by parameter name; a tied parameter is found under any of its names. Equal differences of many
/// parameters are one entry. Entries stand in order of level.
struct PlanDiff {
  std::string a;  ///< how messages call the sides
  std::string b;
  std::string state_hash_a, state_hash_b;
  std::string plan_hash_a, plan_hash_b;
  std::vector<PlanDifference> differences;
  std::int64_t unchanged = 0;  ///< parameters of B without any difference

  bool same_state() const { return state_hash_a == state_hash_b && count(PlanDifference::Level::state) == 0; }
  /// Both hashes are equal and nothing listed says otherwise; then only labels may differ.
  bool same() const { return same_state() && plan_hash_a == plan_hash_b && count(PlanDifference::Level::values) == 0; }
  std::size_t count(PlanDifference::Level level) const;
};

/// Where the plugin of a parameter differs, its options and blocks are not compared. Where the two sides have
/// different hashes although nothing that both documents hold differs, one difference without parameters says so.
PlanDiff compare_plans(const PlanDocument& a, const PlanDocument& b);

std::string_view to_string(PlanDifference::Level level);

/// One line a difference: sign, kind, number of parameters, before -> after, names with layer numbers folded into `*`;
/// "(state)" where a checkpoint does not load across it. Then what the hashes say.
std::string plan_diff_text(const PlanDiff& diff);

/// {"switchyard_diff": 1, "a", "b", "same", "same_state", "state_hash": [a, b], "plan_hash": [a, b], "differences":
/// [{"level", "kind", "what", "before", "after", "parameters"}], "unchanged"}
Json plan_diff_json(const PlanDiff& diff);

/// Names for people: those that differ only in whole-number segments are one pattern ("h.*.attn.weight"), at most
/// `limit` patterns and then "... and n more".
std::string folded_names(const std::vector<std::string>& names, std::size_t limit = 3);

}  // namespace switchyard
