#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"

namespace switchyard {

/// A value as a function of t, the number of steps applied so far (t = 0 in the first). For the learning rate it is a
/// factor with peak 1; for any other scalar option it is the option's value.
///
/// warmup of N steps: peak (t + 1) / N for t < N. Then, with total T and x = clamp((t - N) / (T - N), 0, 1):
///   constant   peak
///   linear     floor + (peak - floor)(1 - x)
///   cosine     floor + (peak - floor)(1 + cos(pi x)) / 2
///   wsd        peak until T - decay; then floor + (peak - floor) f(y) over the last `decay` steps, y from 0 to 1,
///              f = 1 - y (linear), 1 - sqrt(y) (sqrt) or (1 + cos(pi y)) / 2 (cosine)
///   piecewise  straight lines between points (t, value); before the first and after the last point their value holds
/// Past T the last value holds.
struct Schedule {
  enum class Kind : std::uint8_t { constant, linear, cosine, wsd, piecewise };
  enum class Shape : std::uint8_t { linear, sqrt, cosine };

  Kind kind = Kind::constant;
  double peak = 1;
  double floor = 0;
  std::int64_t warmup = 0;
  std::int64_t total = 0;
  std::int64_t decay = 0;
  Shape shape = Shape::linear;
  std::vector<std::pair<std::int64_t, double>> points{};

  double operator()(std::int64_t t) const;
  bool operator==(const Schedule&) const = default;
};

std::string_view to_string(Schedule::Kind kind);
std::string_view to_string(Schedule::Shape shape);
/// One line for people: "cosine, warmup 100, floor 0.1, total 20000".
std::string to_string(const Schedule& schedule);
/// The canonical form, steps as whole numbers (percentages resolved); the form that plans hold and that hashes are made
/// of.
Json to_json(const Schedule& schedule);

/// Smallest and largest value that the schedule takes; what range checks of a scheduled option compare.
std::pair<double, double> range(const Schedule& schedule);

}  // namespace switchyard
