#include "kernels/reduce.h"

#include "kernels/exact_sum.h"
#include "kernels/pointwise.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>
#include <stdexcept>

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kReduceGrain = 64 * 1024;

/// Any element with all exponent bits set. Bits and not values: half types need no conversion.
template <class Word, Word kExponent>
bool finite_words(const void* data, std::int64_t n) {
  const auto* words = static_cast<const Word*>(data);
  std::atomic<bool> finite{true};
  at::parallel_for(0, n, kReduceGrain, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kBlock = 4096;  // between two looks at the flag; the inner loop has no branch
    for (std::int64_t i = begin; i < end && finite.load(std::memory_order_relaxed); i += kBlock) {
      Word bad = 0;
      const std::int64_t stop = std::min(end, i + kBlock);
      for (std::int64_t k = i; k < stop; ++k) bad |= static_cast<Word>((words[k] & kExponent) == kExponent);
      if (bad != 0) finite.store(false, std::memory_order_relaxed);
    }
  });
  return finite.load();
}

}  // namespace

double max_abs(const at::Tensor& t) {
  std::mutex mutex;
  double largest = 0.0;
  bool nan = false;
  pointwise(compute_type(t), {in(t)}, [&](auto x, std::int64_t n) {
    using C = typename decltype(x)::scalar;
    C mine = 0;
    bool unordered = false;
    for (std::int64_t i = 0; i < n; ++i) {
      const C magnitude = std::abs(x[0][i]);
      mine = magnitude > mine ? magnitude : mine;
      unordered |= magnitude != magnitude;
    }
    const std::lock_guard lock(mutex);
    largest = std::max(largest, static_cast<double>(mine));
    nan |= unordered;
  });
  return nan ? std::numeric_limits<double>::quiet_NaN() : largest;
}

double sum_of_squares(const at::Tensor& t) {
  if (compute_type(t) == at::ScalarType::Double) {
    ExactSum64 sum;
    add_squares(t, sum);
    return sum.sum();
  }
  ExactSum sum;
  add_squares(t, sum);
  return sum.sum();
}

bool all_finite(const at::Tensor& t) {
  if (!t.defined()) throw std::invalid_argument("all_finite: the tensor is undefined");
  if (t.device().is_cpu() && t.layout() == at::kStrided && t.is_non_overlapping_and_dense()) {
    const void* data = t.const_data_ptr();
    switch (t.scalar_type()) {
      case at::ScalarType::Float:
        return finite_words<std::uint32_t, 0x7f800000U>(data, t.numel());
      case at::ScalarType::Double:
        return finite_words<std::uint64_t, 0x7ff0000000000000U>(data, t.numel());
      case at::ScalarType::BFloat16:
        return finite_words<std::uint16_t, 0x7f80U>(data, t.numel());
      case at::ScalarType::Half:
        return finite_words<std::uint16_t, 0x7c00U>(data, t.numel());
      default:
        break;  // pointwise below says what is wrong
    }
  }
  std::atomic<bool> finite{true};
  pointwise(compute_type(t), {in(t)}, [&](auto x, std::int64_t n) {
    bool bad = false;
    for (std::int64_t i = 0; i < n; ++i) bad |= !(x[0][i] - x[0][i] == 0);
    if (bad) finite.store(false, std::memory_order_relaxed);
  });
  return finite.load();
}

}  // namespace switchyard::kernels
