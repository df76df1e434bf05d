#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/schedule_check.h"
#include "rules/spec_reader.h"

namespace switchyard {

namespace {

using Kind = Schedule::Kind;

constexpr std::size_t most_schedules = 1000;
const std::vector<std::string> kind_names = {"constant", "linear", "cosine", "wsd", "piecewise"};
const std::vector<std::string> shape_names = {"linear", "sqrt", "cosine"};

std::vector<std::string> keys_of(Kind kind) {
  switch (kind) {
    case Kind::constant:
      return {"kind", "peak", "warmup", "total"};
    case Kind::linear:
    case Kind::cosine:
      return {"kind", "peak", "floor", "warmup", "total"};
    case Kind::wsd:
      return {"kind", "peak", "floor", "warmup", "total", "decay", "shape"};
    case Kind::piecewise:
      return {"kind", "points", "total"};
  }
  return {};
}

/// A number of steps, or "20%" of `total`.
std::optional<std::int64_t> read_steps(SpecDraft& draft, const Node& node, const std::string& what,
                                       std::optional<std::int64_t> total, bool total_broken) {
  const auto& json = node.json();
  if (!json.is(Json::Kind::string)) return draft.read.integer(node, what, 0);
  const auto& text = json.as_string();
  double percent = -1;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, percent, std::chars_format::fixed);
  if (parsed.ec != std::errc() || parsed.ptr + 1 != end || *parsed.ptr != '%' || !(percent >= 0 && percent <= 100)) {
    auto& finding = draft.read.error(
        "SWY-1013",
        fmt::format("{} must be a number of steps or a percentage from \"0%\" to \"100%\", got {}", what, shown(json)),
        node.place());
    finding.label = "expected steps or \"20%\"";
    return std::nullopt;
  }
  if (!total) {
    if (!total_broken) {
      draft.read
          .error("SWY-1018", fmt::format("{} is a percentage, but the schedule has no `total`", what), node.place())
          .help = "add \"total\", or give a number of steps";
    }
    return std::nullopt;
  }
  return std::llround(static_cast<double>(*total) * percent / 100);
}

bool read_points(SpecDraft& draft, const Node& node, std::optional<std::int64_t> total, bool total_broken,
                 Schedule& schedule) {
  if (!draft.read.array(node, "`points`", 1)) return false;
  bool good = true;
  for (std::size_t i = 0; i < node.json().size(); ++i) {
    const Node point(node, i);
    if (!point.json().is(Json::Kind::array) || point.json().size() != 2) {
      draft.read.error("SWY-1010", fmt::format("a point must be [step, value], got {}", shown(point.json())),
                       point.place());
      good = false;
      continue;
    }
    const auto step = read_steps(draft, Node(point, 0), "the step of a point", total, total_broken);
    const auto value = draft.read.number(Node(point, 1), "the value of a point");
    if (!step || !value) {
      good = false;
      continue;
    }
    if (!schedule.points.empty() && *step <= schedule.points.back().first) {
      draft.read.error("SWY-1110",
                       fmt::format("the steps of points must rise: {} follows {}", *step, schedule.points.back().first),
                       point.place());
      good = false;
      continue;
    }
    schedule.points.emplace_back(*step, *value);
  }
  return good;
}

std::optional<Schedule> read_schedule(SpecDraft& draft, const Node& node) {
  auto& read = draft.read;
  if (!read.object(node, spots::schedule())) return std::nullopt;
  const auto name = fmt::format("schedule `{}`", shown(node.key()));
  const auto kind_node = read.require(node, "kind", name);
  if (!kind_node) return std::nullopt;
  const auto kind = read.choice(*kind_node, "`kind`", kind_names);
  if (!kind) return std::nullopt;
  Schedule schedule;
  schedule.kind = static_cast<Kind>(std::find(kind_names.begin(), kind_names.end(), *kind) - kind_names.begin());

  bool good = true;
  const auto legal = keys_of(schedule.kind);
  const auto allowed = [&](std::string_view key) { return std::find(legal.begin(), legal.end(), key) != legal.end(); };
  for (const auto& member : node.json().members()) {
    const auto& all = spots::schedule().keys;
    if (std::find(all.begin(), all.end(), member.key) == all.end())
      good = false;
    else if (!allowed(member.key)) {
      read.error("SWY-1018", fmt::format("`{}` means nothing to a schedule of kind {}", member.key, *kind),
                 Node(node, member).key_place())
          .help = fmt::format("remove it   (keys of {}: {})", *kind, listed(legal));
      good = false;
    }
  }

  std::optional<std::int64_t> total;
  const auto total_node = node.child("total");
  if (total_node && allowed("total")) {
    total = read.integer(*total_node, "`total`", 1);
  } else if (allowed("floor") && !total_node) {
    read.require(node, "total", name);
    return std::nullopt;
  }
  const bool total_broken = (total_node && !total) || read.meant(node, "total");
  good = good && !total_broken;
  schedule.total = total.value_or(0);

  if (schedule.kind == Kind::piecewise) {
    const auto points = read.require(node, "points", name);
    if (!points || !read_points(draft, *points, total, total_broken, schedule) || !good) return std::nullopt;
    schedule.total = 0;  // only percentages needed it
    return schedule;
  }
  const auto number = [&](const char* key, double& target) {
    const auto child = node.child(key);
    if (!child || !allowed(key)) return;
    const auto value = read.number(*child, fmt::format("`{}`", key));
    if (value) target = *value;
    good = good && value;
  };
  const auto steps = [&](const char* key, std::int64_t& target) {
    const auto child = node.child(key);
    if (!child || !allowed(key)) return;
    const auto value = read_steps(draft, *child, fmt::format("`{}`", key), total, total_broken);
    if (value) target = *value;
    good = good && value;
  };
  number("peak", schedule.peak);
  number("floor", schedule.floor);
  steps("warmup", schedule.warmup);
  if (schedule.kind == Kind::wsd) {
    if (!read.require(node, "decay", name)) good = false;
    steps("decay", schedule.decay);
    if (const auto shape_node = node.child("shape")) {
      const auto shape = read.choice(*shape_node, "`shape`", shape_names);
      if (shape)
        schedule.shape = static_cast<Schedule::Shape>(std::find(shape_names.begin(), shape_names.end(), *shape) -
                                                      shape_names.begin());
      good = good && shape;
    }
  }
  if (!good) return std::nullopt;
  if (schedule.kind == Kind::constant) schedule.total = 0;  // only percentages needed it
  if (const auto problem = schedule_problem(schedule); !problem.empty()) {
    const auto at = node.child(schedule.decay > 0 ? "decay" : "warmup");
    read.error("SWY-1110", problem, at ? at->place() : node.place()).help = "raise `total`, or shorten the other";
    return std::nullopt;
  }
  return schedule;
}

}  // namespace

void read_schedules(SpecDraft& draft, const Node& schedules) {
  if (!schedules.json().is(Json::Kind::object)) {
    draft.schedules_known = false;
    draft.read.wrong_type(schedules, "`schedules`", "an object");
    return;
  }
  if (schedules.json().size() > most_schedules) {
    draft.schedules_known = false;
    draft.read.error("SWY-1005", fmt::format("more than {} schedules", most_schedules), schedules.key_place());
    return;
  }
  for (const auto& member : schedules.json().members()) {
    draft.schedule_ids.push_back(member.key);
    const Node node(schedules, member);
    const auto schedule = read_schedule(draft, node);
    if (schedule) draft.spec.schedules.push_back({member.key, *schedule, node.key_place()});
  }
}

}  // namespace switchyard
