/// Speed of the exact sum of squares against a plain float64 one, on one thread, in one run: 4M and 64M Gaussian
/// floats. The bar is 0.4 of the plain sum at 64M. Prints one line per size and path: GB/s and the ratio.

#include "kernels/exact_sum.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>

namespace {

using switchyard::kernels::ExactPath;
using switchyard::kernels::ExactSum;

/// What one would write without the guarantee: widen, square, add; four accumulators to a lane so that latency does not
/// count.
__attribute__((target("avx2,fma"))) double plain_sum(const float* x, std::int64_t n) {
  typedef float Floats __attribute__((vector_size(16)));
  typedef double Doubles __attribute__((vector_size(32)));
  constexpr int kRows = 8;
  Doubles acc[kRows] = {};
  std::int64_t i = 0;
  for (; i + 4 * kRows <= n; i += 4 * kRows) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      Floats f;
      __builtin_memcpy(&f, x + i + 4 * r, sizeof f);
      const Doubles g = __builtin_convertvector(f, Doubles);
      acc[r] += g * g;
    }
  }
  double sum = 0;
  for (const Doubles& a : acc) sum += (a[0] + a[1]) + (a[2] + a[3]);
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

template <class F>
double best_seconds(int repeats, F&& f) {
  double best = 1e30;
  for (int k = 0; k < repeats; ++k) {
    const auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

int main() {
  if (!__builtin_cpu_supports("avx2")) {
    std::puts("this processor has no AVX2: nothing to compare");
    return 0;
  }
  constexpr std::int64_t kMost = std::int64_t{64} << 20;
  const std::unique_ptr<float[]> x(new float[kMost]);
  std::mt19937_64 random(1);
  std::normal_distribution<float> gauss;
  for (std::int64_t i = 0; i < kMost; ++i) x[i] = gauss(random);
  for (const std::int64_t n : {std::int64_t{4} << 20, kMost}) {
    const int repeats = n == kMost ? 12 : 60;
    const double gigabytes = 4e-9 * static_cast<double>(n);
    volatile double sink = 0;
    const auto plain = [&] { return best_seconds(repeats, [&] { sink = plain_sum(x.get(), n); }); };
    const double before = plain();
    std::printf("%3lldM floats, one thread: plain float64 sum of squares %.1f GB/s\n", static_cast<long long>(n >> 20),
                gigabytes / before);
    for (const ExactPath path : {ExactPath::scalar, ExactPath::wide4, ExactPath::wide8_generic, ExactPath::avx512}) {
      if (!exact_path_available(path)) continue;
      const double seconds = best_seconds(path == ExactPath::scalar ? 3 : repeats, [&] {
        ExactSum sum;
        add_squares(x.get(), n, sum, path);
        sink = sum.norm();
      });
      // The plain sum again beside each path: the machine's speed drifts.
      std::printf("  %-14s %5.1f GB/s, ratio %.2f\n", exact_path_name(path), gigabytes / seconds,
                  std::min(before, plain()) / seconds);
    }
  }
  return 0;
}
