#pragma once

#include <optional>

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "core/plan.h"
#include "core/registry.h"
#include "rules/spec.h"

namespace switchyard {

/// Routes every tensor of a model and resolves everything that will run.
///
/// - The first matching rule in document order takes a tensor; a tied tensor is matched through any of its names.
/// - A tensor is frozen if its rule (or the fallback) says "freeze" or it does not require a gradient; it needs no rule
/// then.
/// - Overrides that match a trained tensor merge: factors multiply, and two different values of one option are an
/// error. An
///   option that `set` or an override fixes follows no schedule for that tensor.
/// - Views are checked against every shape, whatever the plugin's options.
///
/// - With `canonical.strip` the plan's names are the canonical ones (canonical_table).
///
/// Adds all findings to `diagnostics`: one mistake is one error, and what follows from it is not reported. Returns
/// nothing if an error was added; a plan holds its own warnings and notes (those of the spec included) and both hashes.
/// The table must have been built without errors; the registry must be the one that the spec was read with.
std::optional<Plan> make_plan(const Spec& spec, const ParameterTable& table, const Registry& registry,
                              Diagnostics& diagnostics);

}  // namespace switchyard
