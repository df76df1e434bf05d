#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "core/registry.h"
#include "rules/spec.h"

namespace switchyard {

/// What a rule says of one parameter. Rules behind the winner are judged too, but take nothing.
enum class Verdict : std::uint8_t { no, wins, would_match, would_not_match, disabled };

/// "no", "WINS", "would match", "would not match", "disabled".
std::string_view to_string(Verdict verdict);

struct RuleVerdict {
  std::string id;
  std::string use;
  Verdict verdict = Verdict::no;
  std::string why;  ///< what matched, or the first reason against: "name transformer.h.**, ndim 2", "ndim 2, wants <=1"
  Place place;
};

struct OverrideVerdict {
  std::string id;
  std::string effect;  ///< "lr_scale 0.7"
  bool matches = false;
  bool disabled = false;
  std::string why;
  Place place;
};

/// How one tensor finds its optimizer, rule by rule: what `explain` prints.
struct RuleTrace {
  ParameterInfo info;
  std::vector<RuleVerdict> rules;          ///< all rules in document order
  std::vector<OverrideVerdict> overrides;  ///< all overrides; they act on trained tensors only
  std::string winner;                      ///< rule id, or "fallback"
  std::string optimizer;  ///< optimizer id, "freeze", or "" when nothing takes it and the fallback is "error"
  std::string reason;     ///< as in the plan
};

/// Nothing if the model has no parameter of this name.
std::optional<RuleTrace> trace_parameter(const Spec& spec, const ParameterTable& table, const Registry& registry,
                                         const std::string& name);

/// Names of the model that are near to `name`, best first, at most `limit`; for "no such parameter" messages.
std::vector<std::string> similar_names(const ParameterTable& table, const std::string& name, std::size_t limit = 3);

}  // namespace switchyard
