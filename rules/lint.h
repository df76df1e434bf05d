#pragma once

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "core/plan.h"
#include "core/registry.h"
#include "rules/spec.h"

namespace switchyard {

/// What is legal but costs people weeks (SWY-31xx): tensors on an optimizer that does not suit their role (as
/// `classify` sees it), fused tensors without a split, axes the wrong way round, width scaled twice, patterns that
/// match more layers than they say, decay beyond the weight. Each finding is a warning (a note for SWY-3111) at the
/// rule that took the first tensor of its kind, with the rule or the view to write instead as its help; tensors of one
/// rule with one fault are one finding.
///
/// `plan` must have been made from this spec, table and registry. The spec that `init_spec` writes for a table has no
/// warning.
Diagnostics lint(const Spec& spec, const ParameterTable& table, const Plan& plan, const Registry& registry);

}  // namespace switchyard
