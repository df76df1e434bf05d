#pragma once

#include <string>
#include <vector>

#include "core/diagnostics.h"
#include "core/registry.h"
#include "rules/spec.h"

namespace switchyard {

/// What can be told from a spec without a model: by the words of its patterns and by module types, rules that give a
/// matrix optimizer an embedding or a head (SWY-3100), a fused tensor without a split (SWY-3101) or an adapter
/// (SWY-3108), that take `gate` and `gate_proj` alike (SWY-3103), that keep the state of an embedding in 8 bits
/// (SWY-3113), patterns that take layer 10 with layer 1 (SWY-3114), and rules that an earlier one leaves nothing
/// (SWY-2002). Each is a warning at the pattern or the rule. Names of expressions ("re:") are not looked into, nor
/// rules with `except`.
Diagnostics lint_names(const Spec& spec, const Registry& registry);

/// Codes of the lints that `lint_names` runs, and of those that need a model; each list in order.
const std::vector<std::string>& lints_by_name();
const std::vector<std::string>& lints_by_model();

}  // namespace switchyard
