#include "core/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace switchyard {

namespace {

double fall(Schedule::Shape shape, double y) {
  switch (shape) {
    case Schedule::Shape::linear:
      return 1 - y;
    case Schedule::Shape::sqrt:
      return 1 - std::sqrt(y);
    case Schedule::Shape::cosine:
      return 0.5 * (1 + std::cos(std::numbers::pi * y));
  }
  return 1 - y;
}

/// (t - from) / (to - from), held at 0 and 1; 1 where the stretch is empty and t has reached it.
double progress(std::int64_t t, std::int64_t from, std::int64_t to) {
  if (t >= to) return 1;
  if (t <= from) return 0;
  return static_cast<double>(t - from) / static_cast<double>(to - from);
}

double along(const std::vector<std::pair<std::int64_t, double>>& points, std::int64_t t) {
  if (points.empty()) return 1;
  if (t <= points.front().first) return points.front().second;
  for (std::size_t i = 1; i < points.size(); ++i) {
    const auto& [t0, v0] = points[i - 1];
    const auto& [t1, v1] = points[i];
    if (t <= t1) return v0 + (v1 - v0) * progress(t, t0, t1);
  }
  return points.back().second;
}

}  // namespace

double Schedule::operator()(std::int64_t t) const {
  if (kind == Kind::piecewise) return along(points, t);
  if (t < warmup) return peak * static_cast<double>(t + 1) / static_cast<double>(warmup);
  switch (kind) {
    case Kind::linear:
      return floor + (peak - floor) * fall(Shape::linear, progress(t, warmup, total));
    case Kind::cosine:
      return floor + (peak - floor) * fall(Shape::cosine, progress(t, warmup, total));
    case Kind::wsd:
      return floor + (peak - floor) * fall(shape, progress(t, total - decay, total));
    case Kind::constant:
    case Kind::piecewise:
      break;
  }
  return peak;
}

std::string_view to_string(Schedule::Kind kind) {
  switch (kind) {
    case Schedule::Kind::constant:
      return "constant";
    case Schedule::Kind::linear:
      return "linear";
    case Schedule::Kind::cosine:
      return "cosine";
    case Schedule::Kind::wsd:
      return "wsd";
    case Schedule::Kind::piecewise:
      return "piecewise";
  }
  return "constant";
}

std::string_view to_string(Schedule::Shape shape) {
  switch (shape) {
    case Schedule::Shape::linear:
      return "linear";
    case Schedule::Shape::sqrt:
      return "sqrt";
    case Schedule::Shape::cosine:
      return "cosine";
  }
  return "linear";
}

std::string to_string(const Schedule& schedule) {
  std::string out(to_string(schedule.kind));
  if (schedule.kind == Schedule::Kind::piecewise) {
    for (const auto& [t, value] : schedule.points) out += fmt::format(" {}:{}", t, shortest(value));
    return out;
  }
  if (schedule.peak != 1) out += fmt::format(", peak {}", shortest(schedule.peak));
  if (schedule.warmup > 0) out += fmt::format(", warmup {}", schedule.warmup);
  if (schedule.kind == Schedule::Kind::constant) return out;
  if (schedule.kind == Schedule::Kind::wsd)
    out += fmt::format(", decay {} ({})", schedule.decay, to_string(schedule.shape));
  return out + fmt::format(", floor {}, total {}", shortest(schedule.floor), schedule.total);
}

Json to_json(const Schedule& schedule) {
  auto json = Json::object();
  json.set("kind", std::string(to_string(schedule.kind)));
  if (schedule.kind == Schedule::Kind::piecewise) {
    auto points = Json::array();
    for (const auto& [t, value] : schedule.points) {
      auto point = Json::array();
      point.push(Json::integer(t));
      point.push(Json::real(value));
      points.push(std::move(point));
    }
    json.set("points", std::move(points));
    return json;
  }
  json.set("peak", Json::real(schedule.peak));
  json.set("warmup", Json::integer(schedule.warmup));
  if (schedule.kind == Schedule::Kind::constant) return json;
  json.set("floor", Json::real(schedule.floor));
  json.set("total", Json::integer(schedule.total));
  if (schedule.kind == Schedule::Kind::wsd) {
    json.set("decay", Json::integer(schedule.decay));
    json.set("shape", std::string(to_string(schedule.shape)));
  }
  return json;
}

std::pair<double, double> range(const Schedule& schedule) {
  if (schedule.kind == Schedule::Kind::piecewise) {
    const auto [low, high] = std::minmax_element(schedule.points.begin(), schedule.points.end(),
                                                 [](const auto& a, const auto& b) { return a.second < b.second; });
    if (low == schedule.points.end()) return {1, 1};
    return {low->second, high->second};
  }
  auto low = schedule.peak;
  auto high = schedule.peak;
  const auto widen = [&](double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  };
  if (schedule.warmup > 0) widen(schedule(0));
  if (schedule.kind != Schedule::Kind::constant) widen(schedule.floor);
  return {low, high};
}

}  // namespace switchyard
