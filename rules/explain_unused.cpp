#include "rules/explain_unused.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "rules/near_name.h"
#include "rules/reader.h"

namespace switchyard {

namespace {

constexpr std::size_t most_compared_names = 20'000;  // for the nearest name
constexpr std::size_t most_compared = 1'000'000;     // names with other meanings of patterns
constexpr std::size_t most_meant = 500;              // bytes of a pattern that may mean something else

constexpr const char* whole_name = "a pattern must match the whole name";

/// What a user may have meant by a pattern.
struct Meant {
  std::string pattern;
  std::string why;  ///< what was wrong about the given one, for a note
};

/// "{0..3}" as the shell has it, written out for globs; "" if the text has none.
std::string ranges_written_out(std::string text) {
  static const re2::RE2 range(R"(\{(\d{1,4})\.\.(\d{1,4})\})");
  constexpr int most_listed = 256;
  re2::StringPiece first;
  re2::StringPiece last;
  bool changed = false;
  while (re2::RE2::PartialMatch(text, range, &first, &last)) {
    const int low = std::stoi(std::string(first));
    const int high = std::stoi(std::string(last));
    if (low > high || high - low >= most_listed) return "";
    std::string listed;
    for (int i = low; i <= high; ++i) listed += (i == low ? "" : ",") + std::to_string(i);
    const auto begin = static_cast<std::size_t>(first.data() - text.data());
    const auto end = static_cast<std::size_t>(last.data() - text.data()) + last.size();
    text = text.substr(0, begin) + listed + text.substr(end);
    changed = true;
  }
  return changed ? text : "";
}

/// The expressions that a text would be without "re:".
std::vector<Meant> as_expressions(const std::string& text) {
  const auto begin = text.begin() + (text.front() == '^' ? 1 : 0);
  const auto end = text.end() - (text.back() == '$' && text.end() != begin ? 1 : 0);
  const std::string expression(begin, end);
  return {{"re:" + expression, "an expression is marked with `re:`"},
          {"re:.*(" + expression + ").*", "an expression is marked with `re:` and must match the whole name"}};
}

/// True for what neither names nor globs have.
bool looks_like_expression(const std::string& text) {
  static const re2::RE2 marks(R"(\\[.dDwWsSbB]|[(|)^$]|[.\]]\+)");
  return re2::RE2::PartialMatch(text, marks);
}

/// What users of other tools write for whole segments of a name: `*` that crosses dots, shell ranges, expressions, the
/// end, the beginning or the middle of a name.
std::vector<Meant> whole_meanings(const Pattern& pattern) {
  const auto& text = pattern.text();
  std::vector<Meant> out;
  if (text.size() > most_meant) return out;
  if (pattern.is_regex()) return {{"re:.*(" + text.substr(3) + ").*", "an expression must match the whole name"}};
  if (auto range = ranges_written_out(text); !range.empty())
    out.push_back({std::move(range), "a glob has no ranges of numbers"});
  if (looks_like_expression(text)) {
    for (auto& meant : as_expressions(text)) out.push_back(std::move(meant));
  }
  for (auto part : {"**." + text, text + ".**", "**." + text + ".**"}) out.push_back({std::move(part), whole_name});
  return out;
}

/// The same for parts of a segment, where a typing mistake is as likely.
std::vector<Meant> partial_meanings(const Pattern& pattern) {
  const auto& text = pattern.text();
  std::vector<Meant> out;
  if (text.size() > most_meant || pattern.is_regex()) return out;
  for (auto part : {"**" + text, text + "**", "**" + text + "**"}) out.push_back({std::move(part), whole_name});
  if (!looks_like_expression(text)) {
    for (auto& meant : as_expressions(text)) out.push_back(std::move(meant));
  }
  return out;
}

/// A pattern as it would be written: what JSON must escape, as JSON.
std::string quoted(const std::string& pattern) {
  auto json = dump_json(Json::string(pattern));
  return json.size() == pattern.size() + 2 ? fmt::format("`{}`", pattern) : json;
}

/// Parameters that an entry would match with another text as one of its patterns.
class Trial {
 public:
  Trial(const Spec& spec, const ParameterTable& table, const Match& match, const Match* except)
      : spec_(spec), table_(table), match_(match), except_(except) {
    collect(match);
    if (except != nullptr) collect(*except);
  }

  std::int64_t count(int pattern, const std::string& text) {
    PatternError ignored;
    const auto compiled = Pattern::compile(text, ignored);
    if (!compiled) return 0;
    compared_ += table_.name_count();
    std::int64_t count = 0;
    std::vector<char> hits(spec_.patterns.size(), 0);
    for (const auto& info : table_.parameters()) {
      const auto fits = [&](const Pattern& one) {
        return std::any_of(info.names.begin(), info.names.end(), [&](const auto& name) { return one.matches(name); });
      };
      if (!fits(*compiled)) continue;
      for (const auto i : patterns_)
        hits[static_cast<std::size_t>(i)] = i == pattern || fits(*spec_.patterns[static_cast<std::size_t>(i)]) ? 1 : 0;
      const Subject subject{info, spec_.patterns, hits, spec_.layers.of(info)};
      if (holds(match_, subject) && (except_ == nullptr || !holds(*except_, subject))) ++count;
    }
    return count;
  }

  /// The first of some meanings of the match's patterns that something in the model has; `pattern` is then help.
  template <class Meanings>
  Meant first(const Meanings& meanings) {
    for (const auto i : match_.names) {
      for (const auto& meant : meanings(*spec_.patterns[static_cast<std::size_t>(i)])) {
        if (compared_ > most_compared) return {};
        if (auto help = help_of(i, meant.pattern); !help.empty()) return {std::move(help), meant.why};
      }
    }
    return {};
  }

  /// The pattern whose stars cross dots; sought however large pattern and model are.
  Meant widened() {
    for (const auto i : match_.names) {
      const auto wider = spec_.patterns[static_cast<std::size_t>(i)]->widened();
      if (wider.empty()) continue;
      if (auto help = help_of(i, wider); !help.empty()) return {std::move(help), "`*` does not cross a dot"};
    }
    return {};
  }

 private:
  /// The patterns of `name` anywhere inside.
  void collect(const Match& match) {
    patterns_.insert(match.names.begin(), match.names.end());
    for (const auto* list : {&match.all, &match.any, &match.none}) {
      for (const auto& inner : *list) collect(inner);
    }
  }

  std::string help_of(int pattern, const std::string& text) {
    const auto n = count(pattern, text);
    return n == 0 ? "" : fmt::format("{} would match {} parameter{}", quoted(text), n, n == 1 ? "" : "s");
  }

  const Spec& spec_;
  const ParameterTable& table_;
  const Match& match_;
  const Match* except_;
  std::set<int> patterns_;
  std::size_t compared_ = 0;
};

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
  Trial trial(spec, table, match, except);
  auto other = trial.widened();
  if (other.pattern.empty()) other = trial.first(whole_meanings);
  if (other.pattern.empty()) other.pattern = nearest_name(spec, table, match);
  if (other.pattern.empty()) other.pattern = nearest_segment(spec, table, match);
  if (other.pattern.empty()) other = trial.first(partial_meanings);
  finding.help = std::move(other.pattern);
  finding.notes.push_back(
      fmt::format("`{}`{} compared with {} names{}", shown(text),
                  match.names.size() > 1 ? fmt::format(" and {} more were", match.names.size() - 1) : " was",
                  table.name_count(), other.why.empty() ? "" : "; " + other.why));
}

}  // namespace switchyard
