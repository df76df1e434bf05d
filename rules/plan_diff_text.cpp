#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rules/plan_diff.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

using Align = TextTable::Align;
using Level = PlanDifference::Level;

/// Whole-number segments of a dotted name become `*`.
std::string folded(const std::string& name) {
  std::string out;
  for (std::size_t begin = 0; begin <= name.size();) {
    const auto end = std::min(name.find('.', begin), name.size());
    const auto segment = name.substr(begin, end - begin);
    const bool digits = !segment.empty() && segment.find_first_not_of("0123456789") == std::string::npos;
    out += (begin > 0 ? "." : "") + (digits ? "*" : segment);
    begin = end + 1;
  }
  return out;
}

std::string change_text(const PlanDifference& difference) {
  const auto after = printable(difference.after);
  const auto before = printable(difference.before);
  if (difference.kind == "added") return "to " + after;
  if (difference.kind == "removed") return "from " + before;
  return before + " -> " + after;
}

std::string hash_line(const char* which, const std::string& a, const std::string& b) {
  if (a == b) return fmt::format("{} {}", which, a.substr(0, 16));
  return fmt::format("{} {} -> {}", which, a.substr(0, 16), b.substr(0, 16));
}

}  // namespace

std::string folded_names(const std::vector<std::string>& names, std::size_t limit) {
  std::vector<std::pair<std::string, std::vector<const std::string*>>> patterns;
  for (const auto& name : names) {
    const auto pattern = folded(name);
    // Few patterns are kept, so a search through them costs little; what comes behind is only counted.
    const auto found =
        std::find_if(patterns.begin(), patterns.end(), [&](const auto& entry) { return entry.first == pattern; });
    if (found != patterns.end()) {
      found->second.push_back(&name);
    } else if (patterns.size() < limit) {
      patterns.push_back({pattern, {&name}});
    }
  }
  std::string out;
  std::size_t shown = 0;
  for (const auto& [pattern, members] : patterns) {
    out += (out.empty() ? "" : ", ") + printable(members.size() == 1 ? *members[0] : pattern);
    shown += members.size();
  }
  if (shown < names.size()) out += fmt::format(", ... and {} more", names.size() - shown);
  return out;
}

std::string_view to_string(PlanDifference::Level level) {
  switch (level) {
    case Level::state:
      return "state";
    case Level::values:
      return "values";
    case Level::label:
      return "label";
  }
  return "label";
}

std::string plan_diff_text(const PlanDiff& diff) {
  auto out = fmt::format("a  {}\nb  {}\n\n", diff.a, diff.b);
  TextTable table({Align::left, Align::left, Align::right, Align::left, Align::left, Align::left});
  for (const auto& difference : diff.differences) {
    const auto* sign = difference.kind == "added" ? "+" : difference.kind == "removed" ? "-" : "~";
    const auto count = static_cast<long long>(difference.parameters.size());
    table.row({sign, difference.what.empty() ? difference.kind : difference.kind + " " + printable(difference.what),
               count == 0 ? "" : counted(count, "tensor"), change_text(difference), folded_names(difference.parameters),
               difference.level == Level::state ? "(state)" : ""});
  }
  table.row({"=", "unchanged", counted(diff.unchanged, "tensor")});
  out += table.text(1) + "\n";
  out += hash_line("state", diff.state_hash_a, diff.state_hash_b) + "\n";
  out += hash_line("plan ", diff.plan_hash_a, diff.plan_hash_b) + "\n";
  if (diff.same()) {
    return out + (diff.differences.empty() ? "the plans are the same\n"
                                           : "the plans are the same but for labels: they compute the same\n");
  }
  if (diff.count(Level::state) > 0) {
    return out + "the state differs: a checkpoint of one does not load under the other; see the lines marked (state)\n";
  }
  return out + "the plans differ, their state does not: a checkpoint of one loads under the other\n";
}

Json plan_diff_json(const PlanDiff& diff) {
  const auto two = [](const std::string& a, const std::string& b) {
    auto list = Json::array();
    list.push(Json::string(a));
    list.push(Json::string(b));
    return list;
  };
  auto json = Json::object();
  json.set("switchyard_diff", Json::integer(1));
  json.set("a", diff.a);
  json.set("b", diff.b);
  json.set("same", Json::boolean(diff.same()));
  json.set("same_state", Json::boolean(diff.same_state()));
  json.set("state_hash", two(diff.state_hash_a, diff.state_hash_b));
  json.set("plan_hash", two(diff.plan_hash_a, diff.plan_hash_b));
  auto list = Json::array();
  for (const auto& difference : diff.differences) {
    auto row = Json::object();
    row.set("level", std::string(to_string(difference.level)));
    row.set("kind", difference.kind);
    row.set("what", difference.what);
    row.set("before", difference.before);
    row.set("after", difference.after);
    auto names = Json::array();
    for (const auto& name : difference.parameters) names.push(Json::string(name));
    row.set("parameters", std::move(names));
    list.push(std::move(row));
  }
  json.set("differences", std::move(list));
  json.set("unchanged", Json::integer(diff.unchanged));
  return json;
}

}  // namespace switchyard
