#pragma once

#include <string>

#include "core/diagnostics.h"
#include "core/json.h"
#include "core/plan.h"
#include "core/registry.h"
#include "rules/spec.h"
#include "rules/trace.h"

namespace switchyard {

/// How one tensor is treated and why, as people read it: every rule with verdict, reason and place, the overrides, the
/// blocks with the indices that they select, every factor of the learning rate and their product, its schedule at t =
/// 0, at the end of the warmup and at the end, and every setting with where it comes from (default, optimizer, rule,
/// override). `planned` is null where no plan could be made: then the trace alone is printed.
std::string explain_text(const RuleTrace& trace, const PlannedParameter* planned, const PlannedGroup* group,
                         const Spec& spec, const Registry& registry, const Sources& sources);

/// {"switchyard_explain": 1, "parameter": as in the plan or null, "rules": [{"id", "use", "verdict", "why", "file",
/// "line"}],
///  "overrides": [{"id", "effect", "matches", "why", "file", "line"}], "winner", "optimizer", "reason",
///  "origins": {option: "default" | "optimizer" | "rule" | "override <id>"}, "diagnostics": [...]}
Json explain_json(const RuleTrace& trace, const PlannedParameter* planned, const PlannedGroup* group, const Spec& spec,
                  const Diagnostics& diagnostics, const Sources& sources);

}  // namespace switchyard
