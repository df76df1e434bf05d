#include "rules/trace.h"

#include <algorithm>

#include "rules/canonical.h"
#include "rules/router.h"

namespace switchyard {

namespace {

struct Judgement {
  bool matches = false;
  std::string why;
};

template <class Entry>
Judgement judge(const Entry& entry, const Subject& subject) {
  if (!holds(entry.match, subject)) return {false, why_not(entry.match, subject)};
  if (entry.except && holds(*entry.except, subject)) return {false, "except: " + why(*entry.except, subject)};
  return {true, why(entry.match, subject)};
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::no:
      return "no";
    case Verdict::wins:
      return "WINS";
    case Verdict::would_match:
      return "would match";
    case Verdict::would_not_match:
      return "would not match";
    case Verdict::disabled:
      return "disabled";
  }
  return "no";
}

std::optional<RuleTrace> trace_parameter(const Spec& spec, const ParameterTable& given, const Registry& registry,
                                         const std::string& name) {
  if (!spec.strip.empty()) {
    Diagnostics ignored;  // make_plan reports them
    const auto stripped = canonical_table(given, spec.strip, spec.strip_place, ignored);
    auto plain = spec;
    plain.strip.clear();
    if (stripped) return trace_parameter(plain, *stripped, registry, canonical_name(name, spec.strip));
  }
  const auto& table = given;
  const auto* info = table.find(name);
  if (info == nullptr) return std::nullopt;
  RuleTrace out;
  out.info = *info;
  const auto hits = pattern_hits(spec.patterns, info->names);
  const Subject subject{*info, spec.patterns, hits, spec.layers.of(*info)};
  Route route;
  for (std::size_t i = 0; i < spec.rules.size(); ++i) {
    const auto& rule = spec.rules[i];
    const auto judged = judge(rule, subject);
    auto verdict = judged.matches ? Verdict::would_match : Verdict::would_not_match;
    if (rule.disabled) {
      verdict = Verdict::disabled;
    } else if (route.rule < 0) {
      verdict = judged.matches ? Verdict::wins : Verdict::no;
      if (judged.matches) route.rule = static_cast<int>(i);
    }
    if (verdict == Verdict::wins) out.reason = judged.why;
    out.rules.push_back({rule.id, rule.use, verdict, judged.why, rule.place});
  }
  for (const auto& entry : spec.overrides) {
    const auto judged = judge(entry, subject);
    out.overrides.push_back(
        {entry.id, entry.set.text(), judged.matches && !entry.disabled, entry.disabled, judged.why, entry.place});
  }
  const auto* rule = route.rule < 0 ? nullptr : &spec.rules[static_cast<std::size_t>(route.rule)];
  route.frozen = !info->requires_grad || (rule != nullptr ? rule->freezes() : spec.fallback == "freeze");
  if (rule == nullptr) out.reason = "no rule matches, so the fallback takes it";
  if (!info->requires_grad) out.reason += "; it requires no gradient";
  out.winner = rule == nullptr ? "fallback" : rule->id;
  out.optimizer = optimizer_of(spec, route);
  if (out.optimizer == "error") out.optimizer.clear();
  return out;
}

std::vector<std::string> similar_names(const ParameterTable& table, const std::string& name, std::size_t limit) {
  constexpr std::size_t most_compared =
      256;  // longer names are not compared: the distance takes the product of the lengths
  std::vector<std::pair<std::size_t, std::string>> near;
  const auto most = std::max<std::size_t>(2, name.size() / 4);
  if (name.size() > most_compared) return {};
  for (const auto& info : table.parameters()) {
    for (const auto& other : info.names) {
      if (other.size() > most_compared || other.size() > name.size() + most || name.size() > other.size() + most)
        continue;
      const auto distance = edit_distance(name, other);
      if (distance <= most) near.emplace_back(distance, other);
    }
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::min(limit, near.size()); ++i) out.push_back(near[i].second);
  return out;
}

}  // namespace switchyard
