#include "rules/spec_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "rules/spec_text.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

using Change = SpecDifference::Change;
/// What an entry says, key by key; equal lists are equal entries.
using Facts = std::vector<std::pair<std::string, std::string>>;

std::string yes(bool value) { return value ? "yes" : "no"; }

template <class Entry>
Facts match_facts(const Entry& entry, const Spec& spec) {
  Facts out = {{"match", match_text(entry.match, spec.patterns)}};
  if (entry.except) out.emplace_back("except", match_text(*entry.except, spec.patterns));
  if (entry.set.lr_scale) out.emplace_back("lr_scale", shortest(*entry.set.lr_scale));
  if (entry.set.wd_scale) out.emplace_back("wd_scale", shortest(*entry.set.wd_scale));
  for (const auto& setting : entry.set.options) out.emplace_back(setting.name, to_string(setting.value));
  if (entry.optional) out.emplace_back("optional", yes(true));
  if (entry.disabled) out.emplace_back("disabled", yes(true));
  return out;
}
Facts facts(const SpecRule& rule, const Spec& spec) {
  auto out = match_facts(rule, spec);
  out.insert(out.begin(), {"use", rule.use});
  if (rule.view) out.emplace_back("matrix", view_text(*rule.view));
  return out;
}
Facts facts(const SpecOverride& entry, const Spec& spec) { return match_facts(entry, spec); }
Facts facts(const SpecSchedule& schedule, const Spec&) { return {{"schedule", to_string(schedule.schedule)}}; }
Facts facts(const SpecOptimizer& optimizer, const Spec& spec) {
  Facts out = {{"plugin", optimizer.plugin}, {"lr", shortest(optimizer.base(spec.base_lr))}};
  for (const auto& [name, value] : optimizer.options) out.emplace_back(name, to_string(value));
  for (const auto& [target, id] : optimizer.schedules) out.emplace_back("schedule of " + target, id);
  return out;
}

std::string summary(const Facts& list, bool options) {
  std::string out;
  for (const auto& [what, value] : list) {
    if (!options && what != "plugin" && what != "lr") continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", what, value);
  }
  return out;
}

const std::string* value_of(const Facts& list, const std::string& what) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const auto& fact) { return fact.first == what; });
  return found == list.end() ? nullptr : &found->second;
}

/// Entries of both lists by id.
template <class Entry>
void compare(const std::string& kind, const std::vector<Entry>& a, const std::vector<Entry>& b, const Spec& spec_a,
             const Spec& spec_b, std::vector<SpecDifference>& out) {
  std::map<std::string, const Entry*> before;
  std::set<std::string> kept;
  for (const auto& entry : a) before.emplace(entry.id, &entry);
  const bool options = kind != "optimizer";
  for (const auto& entry : b) {
    const auto found = before.find(entry.id);
    const auto after = facts(entry, spec_b);
    SpecDifference difference;
    difference.kind = kind;
    difference.id = entry.id;
    difference.b = entry.place;
    if (found == before.end()) {
      difference.change = Change::added;
      difference.aspects.push_back({"", "", summary(after, options)});
      out.push_back(std::move(difference));
      continue;
    }
    kept.insert(entry.id);
    difference.a = found->second->place;
    const auto old = facts(*found->second, spec_a);
    for (const auto& [what, value] : old) {
      const auto* now = value_of(after, what);
      if (now == nullptr || *now != value) difference.aspects.push_back({what, value, now == nullptr ? "none" : *now});
    }
    for (const auto& [what, value] : after) {
      if (value_of(old, what) == nullptr) difference.aspects.push_back({what, "none", value});
    }
    if (!difference.aspects.empty()) out.push_back(std::move(difference));
  }
  for (const auto& entry : a) {
    if (kept.count(entry.id) > 0) continue;
    SpecDifference difference;
    difference.change = Change::removed;
    difference.kind = kind;
    difference.id = entry.id;
    difference.a = entry.place;
    difference.aspects.push_back({"", summary(facts(entry, spec_a), options), ""});
    out.push_back(std::move(difference));
  }
}

/// Positions in `sequence` of a longest rising subsequence: the rules that may be seen as having stayed in place.
std::set<std::size_t> longest_rise(const std::vector<std::size_t>& sequence) {
  std::vector<std::size_t> tails;  // tails[n]: where a rise of n + 1 elements ends lowest
  std::vector<std::size_t> before(sequence.size());
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    const auto place = std::lower_bound(
        tails.begin(), tails.end(), i, [&](std::size_t one, std::size_t two) { return sequence[one] < sequence[two]; });
    before[i] = place == tails.begin() ? sequence.size() : *(place - 1);
    if (place == tails.end()) {
      tails.push_back(i);
    } else {
      *place = i;
    }
  }
  std::set<std::size_t> out;
  for (auto i = tails.empty() ? sequence.size() : tails.back(); i < sequence.size(); i = before[i]) out.insert(i);
  return out;
}

/// Rules of both specs that stand in another order: the fewest that, moved, give the order of B.
void compare_order(const Spec& a, const Spec& b, std::vector<SpecDifference>& out) {
  std::map<std::string, std::size_t> place;
  for (std::size_t i = 0; i < a.rules.size(); ++i) place.emplace(a.rules[i].id, i);
  std::vector<std::size_t> common;  // numbers in B
  std::vector<std::size_t> sequence;
  for (std::size_t i = 0; i < b.rules.size(); ++i) {
    const auto found = place.find(b.rules[i].id);
    if (found == place.end()) continue;
    common.push_back(i);
    sequence.push_back(found->second);
  }
  const auto stayed = longest_rise(sequence);
  for (std::size_t i = 0; i < common.size(); ++i) {
    if (stayed.count(i) > 0) continue;
    const auto& rule = b.rules[common[i]];
    const SpecDifference::Aspect aspect = {"order", fmt::format("rule {} of {}", sequence[i] + 1, a.rules.size()),
                                           fmt::format("rule {} of {}", common[i] + 1, b.rules.size())};
    const auto known = std::find_if(out.begin(), out.end(), [&](const SpecDifference& difference) {
      return difference.kind == "rule" && difference.id == rule.id;
    });
    if (known != out.end()) {
      known->aspects.push_back(aspect);
    } else {
      out.push_back({Change::changed, "rule", rule.id, {aspect}, a.rules[sequence[i]].place, rule.place});
    }
  }
}

const char* sign_of(Change change) { return change == Change::added ? "+" : change == Change::removed ? "-" : "~"; }

Json place_json(const Place& place, const Sources& sources) {
  if (place.span.file.empty()) return Json::null();
  auto out = Json::object();
  out.set("file", place.span.file);
  const auto source = sources.find(place.span.file);
  out.set("line", Json::integer(source == sources.end() ? 0 : line_column(source->second, place.span.offset).line));
  return out;
}

}  // namespace

std::vector<SpecDifference> compare_specs(const Spec& a, const Spec& b) {
  std::vector<SpecDifference> out;
  compare("optimizer", a.optimizers, b.optimizers, a, b, out);
  compare("schedule", a.schedules, b.schedules, a, b, out);
  compare("rule", a.rules, b.rules, a, b, out);
  compare_order(a, b, out);
  if (a.fallback != b.fallback)
    out.push_back(
        {Change::changed, "fallback", "", {{"use", a.fallback, b.fallback}}, a.fallback_place, b.fallback_place});
  compare("override", a.overrides, b.overrides, a, b, out);
  return out;
}

std::string spec_diff_text(const std::vector<SpecDifference>& differences, const Sources& sources) {
  using Align = TextTable::Align;
  TextTable table({Align::left, Align::left, Align::left, Align::left});
  for (const auto& difference : differences) {
    std::string what;
    for (const auto& aspect : difference.aspects) {
      what += what.empty() ? "" : "; ";
      if (difference.change == Change::changed) {
        what += fmt::format("{} {} -> {}", aspect.what, aspect.before, aspect.after);
      } else {
        what += difference.change == Change::added ? aspect.after : aspect.before;
      }
    }
    std::string places;
    for (const auto* place : {&difference.a, &difference.b}) {
      if (!place->span.file.empty()) places += (places.empty() ? "" : " -> ") + render_location(place->span, sources);
    }
    table.row({sign_of(difference.change),
               difference.kind + (difference.id.empty() ? "" : " " + printable(difference.id)), printable(what),
               places});
  }
  return table.text(1);
}

Json spec_diff_json(const std::vector<SpecDifference>& differences, const Sources& sources) {
  auto out = Json::array();
  for (const auto& difference : differences) {
    auto row = Json::object();
    row.set("change", difference.change == Change::added     ? "added"
                      : difference.change == Change::removed ? "removed"
                                                             : "changed");
    row.set("kind", difference.kind);
    row.set("id", difference.id);
    auto aspects = Json::array();
    for (const auto& aspect : difference.aspects) {
      auto one = Json::object();
      one.set("what", aspect.what);
      one.set("before", aspect.before);
      one.set("after", aspect.after);
      aspects.push(std::move(one));
    }
    row.set("aspects", std::move(aspects));
    row.set("a", place_json(difference.a, sources));
    row.set("b", place_json(difference.b, sources));
    out.push(std::move(row));
  }
  return out;
}

}  // namespace switchyard
