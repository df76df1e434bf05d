#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "rules/match_index.h"
#include "rules/spec.h"

namespace switchyard {

/// What one tensor got from the spec. `rule` is a number in Spec::rules, or -1 for the fallback.
struct Route {
  int rule = -1;
  bool frozen = false;         ///< the rule or the fallback freezes it, or it requires no gradient
  bool taken = false;          ///< false: no rule, and the fallback is "error"
  std::vector<int> overrides;  ///< matching ones, in document order
  std::string reason;
};

struct Tally {
  std::int64_t matched = 0;
  std::int64_t matched_trainable = 0;
  std::int64_t won = 0;
  std::int64_t elements = 0;  ///< of those won
};

/// The routes of all tensors, in the order of the table, and exact counts for every rule and override.
/// An override counts the trained tensors that it acts on as won.
struct Routing {
  std::vector<Route> routes;
  std::vector<Tally> rules;
  std::vector<Tally> overrides;
};

/// First match wins. Adds what is wrong with the rules as such: rules and overrides that match nothing (SWY-2001), are
/// shadowed (SWY-2002) or match only frozen tensors (SWY-2005), tensors without a rule (SWY-2003), ties that disagree
/// (SWY-2004), layers that the model does not have (SWY-2031 to 2033).
Routing route(const Spec& spec, const ParameterTable& table, Diagnostics& diagnostics);

/// The optimizer id of a route, or "freeze".
const std::string& optimizer_of(const Spec& spec, const Route& route);

/// Rules, then overrides, as entries of an index.
std::vector<MatchIndex::Entry> index_entries(const Spec& spec);

// liveness.cpp
void report_unused(const Spec& spec, const ParameterTable& table, const Routing& routing, Diagnostics& diagnostics);
void report_shadowed(const Spec& spec, const ParameterTable& table, const Routing& routing, Diagnostics& diagnostics);
void report_unmatched(const Spec& spec, const ParameterTable& table, const Routing& routing, Diagnostics& diagnostics);

}  // namespace switchyard
