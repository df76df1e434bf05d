#include "rules/lint_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/json.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

using Numbers = std::set<std::string>;

bool decimal(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Visits each decimal segment of a name: what stands before it, and the number.
template <class Visit>
void each_number(const std::string& name, Visit&& visit) {
  std::size_t begin = 0;
  for (std::size_t dot = 0; dot != std::string::npos; begin = dot + 1) {
    dot = name.find('.', begin);
    const auto segment = name.substr(begin, dot == std::string::npos ? dot : dot - begin);
    if (decimal(segment)) visit(name.substr(0, begin), segment);
  }
}

/// The number that a pattern slips from: all numbers that it takes begin with it. "" if there is none.
std::string slip_of(const std::string& pattern, const Numbers& taken, const Numbers& all) {
  if (taken.size() < 2) return "";
  const auto shortest_number =
      *std::min_element(taken.begin(), taken.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  const auto begins = [&](const std::string& number) {
    return number.compare(0, shortest_number.size(), shortest_number) == 0;
  };
  const auto spelled = [&](const std::string& number) {
    return number != shortest_number && pattern.find(number) != std::string::npos;
  };
  if (!std::all_of(taken.begin(), taken.end(), begins) || std::all_of(all.begin(), all.end(), begins)) return "";
  if (pattern.find(shortest_number) == std::string::npos || std::any_of(taken.begin(), taken.end(), spelled)) return "";
  return shortest_number;
}

/// The pattern with the number closed by a dot; "" if it is not clear where.
std::string closed(const std::string& pattern, const std::string& number) {
  const bool regex = pattern.rfind("re:", 0) == 0;
  for (auto at = pattern.find(number); at != std::string::npos; at = pattern.find(number, at + 1)) {
    const auto end = at + number.size();
    if (regex && pattern.compare(end, 2, ".*") == 0) return pattern.substr(0, end) + "\\." + pattern.substr(end);
    if (regex || end >= pattern.size() || pattern[end] != '*') continue;
    const auto stars = std::min(pattern.find_first_not_of('*', end), pattern.size());
    if (stars < pattern.size() && pattern[stars] == '.') return pattern.substr(0, end) + pattern.substr(stars);
    return pattern.substr(0, end) + "." + pattern.substr(end);
  }
  return "";
}

class Slips {
 public:
  Slips(const Spec& spec, const ParameterTable& table, Diagnostics& diagnostics)
      : spec_(spec), table_(table), diagnostics_(diagnostics) {
    for (const auto& info : table.parameters()) {
      for (const auto& name : info.names) {
        each_number(name, [&](const std::string& before, const std::string& number) { all_[before].insert(number); });
      }
    }
  }

  void look(const Match& match, const char* what, const std::string& id) {
    for (const auto i : match.names) look(*spec_.patterns[static_cast<std::size_t>(i)], match.name_place, what, id);
    for (const auto* list : {&match.all, &match.any, &match.none}) {
      for (const auto& inner : *list) look(inner, what, id);
    }
  }

 private:
  void look(const Pattern& pattern, const Place& place, const char* what, const std::string& id) {
    const auto& text = pattern.text();
    if (text.find_first_of("0123456789") == std::string::npos) return;
    std::map<std::string, Numbers> taken;
    for (const auto& info : table_.parameters()) {
      for (const auto& name : info.names) {
        if (!pattern.matches(name)) continue;
        each_number(name, [&](const std::string& before, const std::string& number) { taken[before].insert(number); });
      }
    }
    for (const auto& entry : taken) {
      const auto number = slip_of(text, entry.second, all_[entry.first]);
      if (number.empty()) continue;
      auto& finding = diagnostics_.warning(
          "SWY-3114",
          fmt::format("`{}` of {} `{}` takes {}{} and {} more whose number begins with {}", printable(text), what,
                      printable(id), printable(entry.first), number, entry.second.size() - 1, number),
          place);
      finding.label = "matches more layers than it says";
      const auto better = closed(text, number);
      if (!better.empty()) finding.help = fmt::format("write {}", dump_json(Json::string(better)));
      return;
    }
  }

  const Spec& spec_;
  const ParameterTable& table_;
  Diagnostics& diagnostics_;
  std::map<std::string, Numbers> all_;
};

}  // namespace

void find_layer_slips(const Spec& spec, const ParameterTable& table, Diagnostics& diagnostics) {
  Slips slips(spec, table, diagnostics);
  const auto look = [&](const auto& entries, const char* what) {
    for (const auto& entry : entries) {
      if (entry.disabled) continue;
      slips.look(entry.match, what, entry.id);
      if (entry.except) slips.look(*entry.except, what, entry.id);
    }
  };
  look(spec.rules, "rule");
  look(spec.overrides, "override");
}

}  // namespace switchyard
