#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/diagnostics.h"
#include "core/json.h"
#include "rules/spec.h"

namespace switchyard {

/// One entry of two specs that is not the same in both; entries are compared by id, with everything that they extend.
struct SpecDifference {
  enum class Change : std::uint8_t { added, removed, changed };
  struct Aspect {
    std::string what;  ///< "match", "use", "lr", "order", an option of an optimizer ...
    std::string before;
    std::string after;
  };
  Change change = Change::changed;
  std::string kind;  ///< "rule", "override", "optimizer", "schedule", "fallback"
  std::string id;    ///< "" of the fallback
  /// Of an added or removed entry one aspect that says what it does, in `after` or `before`.
  std::vector<Aspect> aspects;
  Place a;  ///< without a file if the entry is not in A
  Place b;
};

/// Optimizers, schedules, rules, the fallback, overrides: in this order, each as it stands in B, then what only A has.
/// A rule that stands elsewhere among the rules of both specs has the aspect "order". Notes, names and descriptions are
/// not compared.
std::vector<SpecDifference> compare_specs(const Spec& a, const Spec& b);

/// One line an entry: sign, kind and id, what differs, the places. "" without differences.
std::string spec_diff_text(const std::vector<SpecDifference>& differences, const Sources& sources);
/// [{"change", "kind", "id", "aspects": [{"what", "before", "after"}], "a": {"file", "line"} or null, "b"}]
Json spec_diff_json(const std::vector<SpecDifference>& differences, const Sources& sources);

}  // namespace switchyard
