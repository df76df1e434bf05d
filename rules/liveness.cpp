#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "rules/reader.h"
#include "rules/router.h"

namespace switchyard {

namespace {

constexpr std::size_t most_listed = 20;
constexpr std::size_t most_explained = 20;  // findings that are looked into; the work is one pass over the names each
constexpr std::size_t most_compared_names = 20'000;  // for the nearest name

/// Parameters that a rule would match if its globs crossed dots.
std::string widened_help(const Spec& spec, const ParameterTable& table, const Match& match) {
  for (const auto i : match.names) {
    const auto& pattern = *spec.patterns[static_cast<std::size_t>(i)];
    const auto wider = pattern.widened();
    PatternError ignored;
    const auto compiled = wider.empty() ? nullptr : Pattern::compile(wider, ignored);
    if (!compiled) continue;
    std::int64_t count = 0;
    auto hits = std::vector<char>(spec.patterns.size(), 0);
    for (const auto& info : table.parameters()) {
      const bool hit =
          std::any_of(info.names.begin(), info.names.end(), [&](const auto& name) { return compiled->matches(name); });
      hits[static_cast<std::size_t>(i)] = hit ? 1 : 0;
      if (hit && holds(match, {info, spec.patterns, hits, spec.layers.of(info)})) ++count;
    }
    if (count > 0) return fmt::format("`{}` would match {} parameter{}", wider, count, count == 1 ? "" : "s");
  }
  return "";
}

/// For a pattern of plain text: the name that was probably meant.
std::string nearest_name(const Spec& spec, const ParameterTable& table, const Match& match) {
  std::vector<std::string> names;
  for (const auto& info : table.parameters()) names.insert(names.end(), info.names.begin(), info.names.end());
  if (names.size() > most_compared_names) return "";
  for (const auto i : match.names) {
    const auto& pattern = *spec.patterns[static_cast<std::size_t>(i)];
    if (pattern.is_regex() || pattern.branches().size() != 1 || !pattern.branches()[0].literal()) continue;
    const auto help = did_you_mean(pattern.branches()[0].text(), names);
    if (!help.empty()) return help;
  }
  return "";
}

/// Why nothing matches: what stood against it where the names did match, or how many names were compared.
void explain_unused(const Spec& spec, const ParameterTable& table, const Match& match, const Match* except,
                    Diagnostic& finding) {
  std::vector<int> names = anchors(match);
  std::int64_t named = 0;
  std::string against;
  const auto hits_one = [&](int i, const ParameterInfo& info) {
    const auto& pattern = *spec.patterns[static_cast<std::size_t>(i)];
    return std::any_of(info.names.begin(), info.names.end(), [&](const auto& name) { return pattern.matches(name); });
  };
  for (const auto& info : table.parameters()) {
    if (!names.empty() && std::none_of(names.begin(), names.end(), [&](int i) { return hits_one(i, info); })) continue;
    ++named;
    if (!against.empty()) continue;
    const auto hits = pattern_hits(spec.patterns, info.names);
    const Subject subject{info, spec.patterns, hits, spec.layers.of(info)};
    const bool excluded = holds(match, subject) && except != nullptr;
    against = fmt::format("`{}`: {}", info.name(),
                          excluded ? "`except` takes it away: " + why(*except, subject) : why_not(match, subject));
  }
  if (named > 0 && !names.empty()) {
    finding.notes.push_back(fmt::format("{} parameter{} match{} by name, but not the other conditions; {}", named,
                                        named == 1 ? "" : "s", named == 1 ? "es" : "", against));
    return;
  }
  if (names.empty()) {
    finding.notes.push_back(fmt::format("{} parameters were compared; {}", table.size(), against));
    return;
  }
  if (match.names.empty()) return;
  const auto& text = spec.patterns[static_cast<std::size_t>(match.names.front())]->text();
  auto widened = widened_help(spec, table, match);
  finding.notes.push_back(
      fmt::format("`{}`{} compared with {} names{}", shown(text),
                  match.names.size() > 1 ? fmt::format(" and {} more were", match.names.size() - 1) : " was",
                  table.name_count(), widened.empty() ? "" : "; `*` does not cross a dot"));
  finding.help = widened.empty() ? nearest_name(spec, table, match) : widened;
}

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
std::string nearly(const Spec& spec, const ParameterInfo& info) {
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
  std::vector<MatchIndex::Entry> entries;
  for (const auto i : shadowed) {
    const auto& rule = spec.rules[i];
    entries.push_back({&rule.match, rule.except ? &*rule.except : nullptr, true});
  }
  MatchIndex index(spec.patterns, entries, table, &spec.layers);
  std::vector<std::map<int, std::int64_t>> takers(shadowed.size());
  std::vector<std::uint64_t> bits;
  for (std::size_t p = 0; p < table.size(); ++p) {
    index.matching(table[p], table[p].names, bits);
    for (std::size_t word = 0; word < bits.size(); ++word) {
      for (auto rest = bits[word]; rest != 0; rest &= rest - 1) {
        ++takers[word * 64 + static_cast<std::size_t>(__builtin_ctzll(rest))][routing.routes[p].rule];
      }
    }
  }
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
  finding.help = nearly(spec, *unmatched.front());
  if (finding.help.empty()) finding.help = "add a rule for them, or let \"fallback\" name an optimizer";
}

}  // namespace switchyard
