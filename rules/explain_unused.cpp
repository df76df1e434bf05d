#include "rules/explain_unused.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "rules/near_name.h"
#include "rules/reader.h"

namespace switchyard {

namespace {

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

/// For a pattern that names would match but for one segment: the pattern with the segment that most of the nearest
/// have.
std::string nearest_segment(const Spec& spec, const ParameterTable& table, const Match& match) {
  if (table.name_count() > most_compared_names) return "";
  for (const auto i : match.names) {
    const SegmentGlob glob(*spec.patterns[static_cast<std::size_t>(i)]);
    std::map<std::string, std::pair<SegmentMiss, std::int64_t>> found;  // by the corrected pattern
    auto hits = std::vector<char>(spec.patterns.size(), 0);
    hits[static_cast<std::size_t>(i)] = 1;
    for (const auto& info : table.parameters()) {
      for (const auto& name : info.names) {
        const auto miss = glob.miss(name);
        if (!miss || !holds(match, {info, spec.patterns, hits, spec.layers.of(info)})) continue;
        ++found.emplace(miss->corrected, std::make_pair(*miss, 0)).first->second.second;
      }
    }
    if (found.empty()) continue;
    const auto best = std::min_element(found.begin(), found.end(), [](const auto& a, const auto& b) {
      const auto& [one, ones] = a.second;
      const auto& [two, twos] = b.second;
      return better(one, two) || (!better(two, one) && ones > twos);
    });
    const auto& [miss, count] = best->second;
    return fmt::format("did you mean `{}`? {} name{} match{} but for segment {}: `{}`, not `{}`", best->first, count,
                       count == 1 ? "" : "s", count == 1 ? "es" : "", miss.segment, miss.got, miss.wanted);
  }
  return "";
}

}  // namespace

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
  finding.help = widened;
  if (finding.help.empty()) finding.help = nearest_name(spec, table, match);
  if (finding.help.empty()) finding.help = nearest_segment(spec, table, match);
}

}  // namespace switchyard
