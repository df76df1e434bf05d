#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "rules/explain_unused.h"
#include "rules/extends.h"
#include "rules/near_name.h"
#include "rules/router.h"
#include "rules/takers.h"

namespace switchyard {

namespace {

constexpr std::size_t most_listed = 20;
constexpr std::size_t most_explained =
    20;  // findings that are looked into; the work is some passes over the names each

template <class Entry>
void report_entry(const Spec& spec, const ParameterTable& table, const Entry& entry, const Tally& tally,
                  const std::string& what, std::size_t& explained, Diagnostics& diagnostics) {
  if (entry.disabled) return;
  if (tally.matched > 0) {
    if (tally.matched_trainable == 0) {
      diagnostics.note("SWY-2005",
                       fmt::format("{} `{}` matches only frozen parameters ({})", what, entry.id, tally.matched),
                       entry.place);
    }
    return;
  }
  const bool broken_layers = std::any_of(diagnostics.items().begin(), diagnostics.items().end(), [](const auto& item) {
    return item.code == "SWY-2031" || item.code == "SWY-2032";
  });
  if (broken_layers && (looks_at_layers(entry.match) || (entry.except && looks_at_layers(*entry.except)))) return;
  if (entry.optional) {
    if (is_shipped(entry.place)) return;
    diagnostics.note("SWY-2006", fmt::format("optional {} `{}` matches no parameter", what, entry.id), entry.place);
    return;
  }
  const auto& place = entry.match.names.empty() ? entry.match.place : entry.match.name_place;
  auto& finding = diagnostics.error("SWY-2001", fmt::format("{} `{}` matches no parameter", what, entry.id), place);
  finding.label = "nothing matches";
  if (explained++ < most_explained)
    explain_unused(spec, table, entry.match, entry.except ? &*entry.except : nullptr, finding);
  finding.help +=
      fmt::format("{}mark the {} \"optional\": true", finding.help.empty() ? "correct it, or " : "; or ", what);
}

std::string described(const ParameterInfo& info) {
  return fmt::format("{}  {} {}{}", info.name(), info.dtype_name, to_string(info.shape),
                     info.module.empty() ? "" : "  module " + info.module);
}

/// The rule whose names fit but whose other conditions do not.
std::string fits_by_name(const Spec& spec, const ParameterInfo& info) {
  const auto hits = pattern_hits(spec.patterns, info.names);
  const Subject subject{info, spec.patterns, hits, spec.layers.of(info)};
  for (const auto& rule : spec.rules) {
    if (rule.disabled) continue;
    const auto names = anchors(rule.match);
    const bool hit =
        std::any_of(names.begin(), names.end(), [&](int i) { return hits[static_cast<std::size_t>(i)] != 0; });
    if (!hit) continue;
    const bool excepted = holds(rule.match, subject);
    return fmt::format("nearest is rule `{}`: its name fits, but {}", rule.id,
                       excepted ? "`except` takes the parameter away" : why_not(rule.match, subject));
  }
  return "";
}

/// The rule that would take it but for one segment of its name.
std::string fits_but_for_a_segment(const Spec& spec, const ParameterInfo& info) {
  const SpecRule* nearest = nullptr;
  SegmentMiss best;
  for (const auto& rule : spec.rules) {
    if (rule.disabled) continue;
    for (const auto i : rule.match.names) {
      const SegmentGlob glob(*spec.patterns[static_cast<std::size_t>(i)]);
      for (const auto& name : info.names) {
        const auto miss = glob.miss(name);
        if (!miss || (nearest != nullptr && !better(*miss, best))) continue;
        auto hits = pattern_hits(spec.patterns, info.names);
        hits[static_cast<std::size_t>(i)] = 1;
        const Subject subject{info, spec.patterns, hits, spec.layers.of(info)};
        if (!holds(rule.match, subject) || (rule.except && holds(*rule.except, subject))) continue;
        nearest = &rule;
        best = *miss;
      }
    }
  }
  if (nearest == nullptr) return "";
  return fmt::format("rule `{}` matches `{}` but for segment {}: the name has `{}`, the pattern `{}`", nearest->id,
                     info.name(), best.segment, best.got, best.wanted);
}

/// For the first of these parameters that a rule is near to.
std::string nearest_rule(const Spec& spec, const std::vector<const ParameterInfo*>& unmatched) {
  constexpr std::size_t most_tried = 5;
  for (std::size_t i = 0; i < std::min(unmatched.size(), most_tried); ++i) {
    auto help = fits_by_name(spec, *unmatched[i]);
    if (help.empty()) help = fits_but_for_a_segment(spec, *unmatched[i]);
    if (!help.empty()) return help;
  }
  return "";
}

}  // namespace

void report_unused(const Spec& spec, const ParameterTable& table, const Routing& routing, Diagnostics& diagnostics) {
  std::size_t explained = 0;
  for (std::size_t i = 0; i < spec.rules.size(); ++i) {
    report_entry(spec, table, spec.rules[i], routing.rules[i], "rule", explained, diagnostics);
  }
  for (std::size_t i = 0; i < spec.overrides.size(); ++i) {
    report_entry(spec, table, spec.overrides[i], routing.overrides[i], "override", explained, diagnostics);
  }
}

void report_shadowed(const Spec& spec, const ParameterTable& table, const Routing& routing, Diagnostics& diagnostics) {
  std::vector<std::size_t> shadowed;
  for (std::size_t i = 0; i < spec.rules.size(); ++i) {
    const auto& tally = routing.rules[i];
    if (tally.won == 0 && tally.matched_trainable > 0) shadowed.push_back(i);
  }
  if (shadowed.empty()) return;
  // A second pass, only over the rules in question: counting who took what for all rules would cost every plan.
  std::vector<int> winners;
  for (const auto& route : routing.routes) winners.push_back(route.rule);
  const auto takers = takers_of(spec, table, shadowed, winners);
  for (std::size_t n = 0; n < shadowed.size(); ++n) {
    const auto& rule = spec.rules[shadowed[n]];
    const auto matched = routing.rules[shadowed[n]].matched;
    auto& finding = diagnostics.warning(
        "SWY-2002",
        fmt::format("rule `{}` matches {} parameter{} but wins none", rule.id, matched, matched == 1 ? "" : "s"),
        rule.place);
    finding.label = "taken by earlier rules";
    for (const auto& [taker, count] : takers[n]) {
      if (finding.related.size() == most_listed) break;
      const auto& winner = spec.rules[static_cast<std::size_t>(taker)];
      finding.related.push_back(
          {fmt::format("{} taken earlier by `{}`",
                       count == matched ? fmt::format("all {} are", count) : std::to_string(count), winner.id),
           winner.place});
    }
    finding.help = fmt::format("move `{}` before {}, or remove it", rule.id, takers[n].size() == 1 ? "it" : "them");
    if (!takers[n].empty() && takers[n].size() == 1) {
      finding.help = fmt::format("move `{}` before `{}`, or remove it", rule.id,
                                 spec.rules[static_cast<std::size_t>(takers[n].begin()->first)].id);
    }
  }
}

void report_unmatched(const Spec& spec, const ParameterTable& table, const Routing& routing, Diagnostics& diagnostics) {
  std::vector<const ParameterInfo*> unmatched;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (!routing.routes[i].taken) unmatched.push_back(&table[i]);
  }
  if (unmatched.empty()) return;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < std::min(unmatched.size(), most_listed); ++i) lines.push_back(described(*unmatched[i]));
  if (unmatched.size() > most_listed) lines.push_back(fmt::format("and {} more", unmatched.size() - most_listed));
  const auto count = fmt::format("{} parameter{} no rule", unmatched.size(), unmatched.size() == 1 ? " has" : "s have");

  const auto& found = diagnostics.items();
  const bool explained = std::any_of(found.begin(), found.end(), [](const Diagnostic& item) {
    return item.code == "SWY-2001" && item.message.rfind("rule ", 0) == 0;
  });
  if (explained) {
    // They may be what the dead rule was meant for: that mistake is reported already.
    auto& note = diagnostics.note("SWY-2003", count + "; perhaps they were meant for the rule that matches nothing",
                                  spec.fallback_place);
    note.subject = unmatched.front()->name();
    note.notes = std::move(lines);
    return;
  }
  auto& finding = diagnostics.error("SWY-2003", count + " and the fallback is \"error\"", spec.fallback_place);
  finding.label = "nothing takes them";
  finding.subject = unmatched.front()->name();
  finding.notes = std::move(lines);
  finding.help = nearest_rule(spec, unmatched);
  if (finding.help.empty()) finding.help = "add a rule for them, or let \"fallback\" name an optimizer";
}

}  // namespace switchyard
