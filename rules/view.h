#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/block.h"
#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "rules/spec.h"

namespace switchyard {

/// Why a view does not fit a shape. `message` goes on after "for `name`"; the caller says for which parameter and rule.
struct ViewProblem {
  std::string code;
  std::string message;
  std::string help;
  Place place;  ///< the part of `matrix` that is wrong; without a file when nothing is written there
};

/// The view of a rule on one parameter, for a plugin that works on matrices.
///
/// Roles by default: a tensor of two axes has out [0], in [1]; one of module Conv1D out [1], in [0]; nothing else has a
/// default. `view` may be null (no `matrix`). Negative axes do not occur: the reader refuses them. Split into n equal
/// parts: part i starts at i (run / n). With sizes: parts follow each other and fill one run. A run is the axis, or
/// with `interleave: g` the g-th part of it; part i is then found once in every run.
std::optional<MatrixView> resolve_view(const SpecView* view, const ParameterInfo& info, ViewProblem& problem);

}  // namespace switchyard
