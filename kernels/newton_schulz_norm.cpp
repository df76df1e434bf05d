#include "kernels/newton_schulz_norm.h"

#include "kernels/exact_sum.h"

#include <cmath>
#include <limits>

namespace switchyard::kernels {

Normalizer normalizer(const float* x, std::int64_t n) {
  ExactSum sum;
  add_squares(x, n, sum);
  return {1.0, 1.0, sum.norm()};
}

Normalizer normalizer(const double* x, std::int64_t n) {
  double largest = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return {1.0, 1.0, std::numeric_limits<double>::quiet_NaN()};
    largest = std::max(largest, std::abs(x[i]));
  }
  if (largest == 0.0) return {};
  const int exponent = -std::ilogb(largest);
  Normalizer result{std::ldexp(1.0, exponent / 2), std::ldexp(1.0, exponent - exponent / 2), 0.0};
  ExactSum64 sum;
  double scaled[256];
  for (std::int64_t begin = 0; begin < n; begin += 256) {
    const std::int64_t count = std::min<std::int64_t>(256, n - begin);
    for (std::int64_t i = 0; i < count; ++i) scaled[i] = x[begin + i] * result.first * result.second;
    add_squares(scaled, count, sum);
  }
  result.norm = sum.norm();
  return result;
}

}  // namespace switchyard::kernels
