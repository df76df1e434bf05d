#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/diagnostics.h"
#include "core/json.h"
#include "core/parameter_table.h"
#include "core/plan.h"
#include "rules/spec.h"

namespace switchyard {

/// What one rule does to a model: which tensors it matches, which of them it takes, and who takes the others.
struct RuleReport {
  struct Tensor {
    ParameterInfo info;
    std::string winner;  ///< id of the rule that takes it: this one, or an earlier one
    std::string why;     ///< what matched
    Place winner_place;
  };
  SpecRule rule;
  std::vector<Tensor> won;   ///< in the order of the model
  std::vector<Tensor> lost;  ///< matched by this rule, taken by an earlier one

  std::size_t matched() const { return won.size() + lost.size(); }
};

/// Nothing if the spec has no rule of this id. A disabled rule matches and takes nothing. One pass over the model; the
/// earlier rules are looked at for what this one matches.
std::optional<RuleReport> report_rule(const Spec& spec, const ParameterTable& table, const std::string& id);

/// The rule with its place and counts; the tensors won, in groups of one shape; those lost, in groups of one winner;
/// and the view drawn for each shape. `plan` is null where no plan could be made: then nothing is drawn.
std::string rule_report_text(const RuleReport& report, const Plan* plan, const Sources& sources);

/// {"switchyard_explain_rule": 1, "rule": {"id", "use", "disabled", "file", "line"}, "matched", "won", "lost",
///  "elements", "tensors": [{"name", "shape", "dtype", "won", "winner", "why"}], "views": [{"shape", "tensors",
///  "blocks", "drawing": [lines]}], "diagnostics"}
Json rule_report_json(const RuleReport& report, const Plan* plan, const Diagnostics& diagnostics,
                      const Sources& sources);

}  // namespace switchyard
