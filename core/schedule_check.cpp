#include "core/schedule_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace switchyard {

namespace {

std::string points_problem(const Schedule& schedule) {
  if (schedule.points.empty()) return "it has no points";
  for (std::size_t i = 0; i < schedule.points.size(); ++i) {
    const auto& [step, value] = schedule.points[i];
    if (step < 0) return fmt::format("the step {} of a point is negative", step);
    if (!std::isfinite(value)) return fmt::format("the value of the point at step {} is not finite", step);
    if (i > 0 && step <= schedule.points[i - 1].first)
      return fmt::format("the steps of points must rise: {} follows {}", step, schedule.points[i - 1].first);
  }
  return "";
}

/// A number that is set although the kind does not look at it.
std::string_view unused_number(const Schedule& schedule) {
  using Kind = Schedule::Kind;
  const Schedule plain;
  const auto kind = schedule.kind;
  const bool falls = kind == Kind::linear || kind == Kind::cosine || kind == Kind::wsd;
  if (kind != Kind::piecewise && !schedule.points.empty()) return "points";
  if (kind == Kind::piecewise && schedule.peak != plain.peak) return "peak";
  if (kind == Kind::piecewise && schedule.warmup != plain.warmup) return "warmup";
  if (!falls && schedule.floor != plain.floor) return "floor";
  if (!falls && schedule.total != plain.total) return "total";
  if (kind != Kind::wsd && schedule.decay != plain.decay) return "decay";
  if (kind != Kind::wsd && schedule.shape != plain.shape) return "shape";
  return "";
}

}  // namespace

std::string schedule_problem(const Schedule& schedule) {
  if (const auto unused = unused_number(schedule); !unused.empty())
    return fmt::format("`{}` means nothing to a schedule of kind {}", unused, to_string(schedule.kind));
  if (schedule.kind == Schedule::Kind::piecewise) return points_problem(schedule);
  if (!std::isfinite(schedule.peak) || !std::isfinite(schedule.floor)) return "its values are not finite";
  if (schedule.warmup < 0 || schedule.decay < 0 || schedule.total < 0) return "a number of steps is negative";
  if (schedule.kind == Schedule::Kind::constant) return "";
  if (schedule.total < 1) return "it has no total";
  const bool wsd = schedule.kind == Schedule::Kind::wsd;
  const auto decay = wsd ? schedule.decay : 0;
  if (schedule.warmup <= schedule.total && decay <= schedule.total - schedule.warmup) return "";
  return fmt::format("{} longer than total {}",
                     wsd ? fmt::format("warmup {} and decay {} are", schedule.warmup, decay)
                         : fmt::format("warmup {} is", schedule.warmup),
                     schedule.total);
}

bool accepts_schedule(const OptionInfo* option, const Schedule& schedule) {
  const auto [low, high] = range(schedule);
  if (option == nullptr) return high == 1 && low >= 0;
  return option->type == OptionType::number && option->interval.contains(low) && option->interval.contains(high);
}

}  // namespace switchyard
