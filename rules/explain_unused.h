#pragma once

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "rules/match.h"
#include "rules/spec.h"

namespace switchyard {

/// Why a match of a spec holds for nothing in the model, as a note of `finding`: what stood against it where names did
/// match, or how many names were compared; and as its help what would match: the pattern with `**`, with a shell's
/// range written out, as an expression, or as a part of a name; else the nearest name, or the pattern with one segment
/// corrected. `except` may be null. A few passes over the names a call, a million names at most.
void explain_unused(const Spec& spec, const ParameterTable& table, const Match& match, const Match* except,
                    Diagnostic& finding);

}  // namespace switchyard
