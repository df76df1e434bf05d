#include "rules/match.h"

#include <fmt/format.h>

#include <algorithm>

namespace switchyard {

namespace {

bool lists(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

std::string_view bare_dtype(const ParameterInfo& info) {
  std::string_view name = info.dtype_name;
  if (name.substr(0, 6) == "torch.") name.remove_prefix(6);
  return name;
}

bool dtype_holds(const Match& match, const ParameterInfo& info) {
  return std::any_of(match.dtypes.begin(), match.dtypes.end(),
                     [&](const auto& dtype) { return dtype == bare_dtype(info); });
}

bool name_holds(const Match& match, const Subject& subject) {
  return std::any_of(match.names.begin(), match.names.end(),
                     [&](int i) { return subject.hits[static_cast<std::size_t>(i)] != 0; });
}

/// One name fits `name` (if there is such a condition), another fits `tie_with`.
bool tie_holds(const Match& match, const Subject& subject) {
  const auto fits = [&](const std::vector<int>& patterns, const std::string& name) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](int i) { return subject.patterns[static_cast<std::size_t>(i)]->matches(name); });
  };
  const auto& names = subject.info.names;
  for (std::size_t other = 0; other < names.size() && names.size() > 1; ++other) {
    if (!fits(match.tie_with, names[other])) continue;
    for (std::size_t own = 0; own < names.size(); ++own) {
      if (own != other && (match.names.empty() || fits(match.names, names[own]))) return true;
    }
  }
  return false;
}

Where::Facts facts(const Subject& subject) { return {subject.info.shape, subject.info.module, subject.layer.number}; }

bool plain_holds(const Match& match, const ParameterInfo& info) {
  return (!match.ndim || match.ndim->holds(static_cast<std::int64_t>(info.shape.size()))) &&
         (!match.shape || match.shape->holds(info.shape)) && (!match.numel || match.numel->holds(info.numel())) &&
         (match.dtypes.empty() || dtype_holds(match, info)) &&
         (match.modules.empty() || lists(match.modules, info.module)) && (!match.tied || *match.tied == info.tied());
}

std::string either(const std::vector<std::string>& values) { return fmt::format("{}", fmt::join(values, " or ")); }

}  // namespace

bool IntCondition::holds(std::int64_t value) const {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& range) { return value >= range.low && value <= range.high; });
}

bool LayerCondition::holds(const LayerPlace& place) const {
  return place.number && (numbers.holds(*place.number) || (first && place.first) || (last && place.last));
}

bool ShapeCondition::allows_ndim(std::int64_t ndim) const {
  const auto listed = static_cast<std::int64_t>(sizes.size());
  return ellipsis < 0 ? ndim == listed : ndim >= listed;
}

bool ShapeCondition::holds(const std::vector<std::int64_t>& shape) const {
  if (!allows_ndim(static_cast<std::int64_t>(shape.size()))) return false;
  const auto skipped = shape.size() - sizes.size();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const bool behind = ellipsis >= 0 && i >= static_cast<std::size_t>(ellipsis);
    if (!sizes[i].holds(shape[behind ? i + skipped : i])) return false;
  }
  return true;
}

std::vector<char> pattern_hits(const PatternList& patterns, const std::vector<std::string>& names) {
  std::vector<char> hits;
  for (const auto& pattern : patterns) {
    hits.push_back(
        std::any_of(names.begin(), names.end(), [&](const auto& name) { return pattern->matches(name); }) ? 1 : 0);
  }
  return hits;
}

bool holds(const Match& match, const Subject& subject) {
  const auto inner = [&](const Match& other) { return holds(other, subject); };
  return (match.names.empty() || name_holds(match, subject)) && plain_holds(match, subject.info) &&
         (!match.layer || match.layer->holds(subject.layer)) && (!match.where || match.where->holds(facts(subject))) &&
         (match.tie_with.empty() || tie_holds(match, subject)) &&
         std::all_of(match.all.begin(), match.all.end(), inner) &&
         (match.any.empty() || std::any_of(match.any.begin(), match.any.end(), inner)) &&
         std::none_of(match.none.begin(), match.none.end(), inner);
}

std::string why(const Match& match, const Subject& subject) {
  std::string out;
  const auto say = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  for (const auto i : match.names) {
    if (subject.hits[static_cast<std::size_t>(i)] == 0) continue;
    say("name " + subject.patterns[static_cast<std::size_t>(i)]->text());
    break;
  }
  if (match.ndim) say(fmt::format("ndim {}", subject.info.shape.size()));
  if (match.shape) say("shape " + match.shape->text);
  if (match.numel) say("numel " + match.numel->text);
  if (!match.dtypes.empty()) say("dtype " + subject.info.dtype_name);
  if (!match.modules.empty()) say("module " + subject.info.module);
  if (match.tied) say(*match.tied ? "tied" : "not tied");
  if (!match.tie_with.empty())
    say("tied with " + subject.patterns[static_cast<std::size_t>(match.tie_with.front())]->text());
  if (match.layer) say(fmt::format("layer {}", *subject.layer.number));
  if (match.where) say("where " + match.where->text());
  for (const auto& inner : match.all) say(why(inner, subject));
  for (const auto& inner : match.any) {
    if (!holds(inner, subject)) continue;
    say(why(inner, subject));
    break;
  }
  if (!match.none.empty()) say("`not` does not apply");
  return out;
}

std::string why_not(const Match& match, const Subject& subject) {
  const auto& info = subject.info;
  if (!match.names.empty() && !name_holds(match, subject)) return "name: no pattern matches";
  if (match.ndim && !match.ndim->holds(static_cast<std::int64_t>(info.shape.size()))) {
    return fmt::format("ndim {}, wants {}", info.shape.size(), match.ndim->text);
  }
  if (match.shape && !match.shape->holds(info.shape)) {
    return fmt::format("shape {}, wants {}", to_string(info.shape), match.shape->text);
  }
  if (match.numel && !match.numel->holds(info.numel()))
    return fmt::format("numel {}, wants {}", info.numel(), match.numel->text);
  if (!match.dtypes.empty() && !dtype_holds(match, info)) {
    return fmt::format("dtype {}, wants {}", info.dtype_name, either(match.dtypes));
  }
  if (!match.modules.empty() && !lists(match.modules, info.module)) {
    return fmt::format("module {}, wants {}", info.module.empty() ? "unknown" : info.module, either(match.modules));
  }
  if (match.tied && *match.tied != info.tied()) return info.tied() ? "tied, wants not tied" : "not tied, wants tied";
  if (!match.tie_with.empty() && !tie_holds(match, subject)) {
    return info.tied() ? "tie_with: no other name matches" : "not tied, wants a tie with another name";
  }
  if (match.layer && !match.layer->holds(subject.layer)) {
    return subject.layer.number ? fmt::format("layer {}, wants {}", *subject.layer.number, match.layer->text)
                                : fmt::format("in no layer, wants layer {}", match.layer->text);
  }
  if (match.where && !match.where->holds(facts(subject))) {
    const auto values = match.where->values(facts(subject));
    return fmt::format("where: not ({}){}", match.where->text(), values.empty() ? "" : "; " + values);
  }
  for (const auto& inner : match.all) {
    if (!holds(inner, subject)) return "all: " + why_not(inner, subject);
  }
  if (!match.any.empty() &&
      std::none_of(match.any.begin(), match.any.end(), [&](const Match& m) { return holds(m, subject); })) {
    return fmt::format("any: none of {} applies (first: {})", match.any.size(), why_not(match.any.front(), subject));
  }
  for (const auto& inner : match.none) {
    if (holds(inner, subject)) return fmt::format("not: {}", why(inner, subject));
  }
  return "";
}

bool looks_at_names(const Match& match) {
  const auto any_of = [](const std::vector<Match>& list) {
    return std::any_of(list.begin(), list.end(), looks_at_names);
  };
  return !match.names.empty() || any_of(match.all) || any_of(match.any) || any_of(match.none);
}

bool looks_at_ties(const Match& match) {
  const auto any_of = [](const std::vector<Match>& list) {
    return std::any_of(list.begin(), list.end(), looks_at_ties);
  };
  return !match.tie_with.empty() || any_of(match.all) || any_of(match.any) || any_of(match.none);
}

bool looks_at_layers(const Match& match) {
  const auto any_of = [](const std::vector<Match>& list) {
    return std::any_of(list.begin(), list.end(), looks_at_layers);
  };
  return match.layer || (match.where && match.where->looks_at_layers()) || any_of(match.all) || any_of(match.any) ||
         any_of(match.none);
}

std::vector<int> anchors(const Match& match) {
  if (!match.names.empty()) return match.names;
  for (const auto& inner : match.all) {
    auto found = anchors(inner);
    if (!found.empty()) return found;
  }
  std::vector<int> out;
  for (const auto& inner : match.any) {
    const auto found = anchors(inner);
    if (found.empty()) return {};
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

}  // namespace switchyard
