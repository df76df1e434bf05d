#include "kernels/exact_sum_detail.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#if defined(__clang__)
#define SWITCHYARD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SWITCHYARD_UNROLL _Pragma("GCC unroll 8")
#endif

// The windows are vectors of x86-64. Elsewhere there is the scalar path, whose sums have the same bits.
#if defined(__x86_64__)

namespace switchyard::kernels::detail {
namespace {

constexpr int kGroup = 16;                 // elements that one round of all lanes takes
constexpr int kBlock = 128 * kGroup;       // at most 2^7 additions a lane
constexpr int kReach = 21;                 // exponents below the anchor that a window holds exactly
constexpr int kLowestAnchor = 1 + kReach;  // exponent 1 (and denormals) is the bottom
constexpr std::uint32_t kInfinity = 0x7f800000;

/// Sum of a window: whole 2^gamma + rest 2^(gamma-45), and what was seen (of |bits|; smallest is of the non-zero ones).
struct Window {
  std::int64_t whole;
  std::int64_t rest;
  std::uint32_t largest;
  std::uint32_t smallest;
};

constexpr double power_of_two(int e) { return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52); }

/// A lane's sum in units: an integer below 2^53 where the window holds, 0 where it does not (NaN, infinities, elements
/// above the anchor). The caller sees that in `largest` and takes another window.
constexpr std::int64_t window_integer(double units) {
  return units > -0x1p56 && units < 0x1p56 ? static_cast<std::int64_t>(units) : 0;
}

/// GCC's vector types. Specialised by hand: g++ 12 does not see a vector in one whose size depends on a parameter.
template <int Lanes>
struct Vectors;
template <>
struct Vectors<4> {
  typedef float Floats __attribute__((vector_size(16)));
  typedef double Doubles __attribute__((vector_size(32)));
  typedef std::int32_t Ints __attribute__((vector_size(16)));
  typedef std::uint32_t Words __attribute__((vector_size(32)));  // twice as many lanes
};
template <>
struct Vectors<8> {
  typedef float Floats __attribute__((vector_size(32)));
  typedef double Doubles __attribute__((vector_size(64)));
  typedef std::int32_t Ints __attribute__((vector_size(32)));
  typedef std::uint32_t Words __attribute__((vector_size(64)));
};

namespace avx2 {
#define SWITCHYARD_TARGET __attribute__((target("avx2,fma")))
#include "kernels/exact_sum_window.inc"
#undef SWITCHYARD_TARGET
}  // namespace avx2

namespace avx512 {
#ifdef __clang__  // has another name for GCC's preferred width, and parses this file only for lint
#define SWITCHYARD_TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw")))
#else
#define SWITCHYARD_TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,prefer-vector-width=512")))
#endif
#include "kernels/exact_sum_window.inc"
#undef SWITCHYARD_TARGET
}  // namespace avx512

using Kernel = Window (*)(const float*, int groups, int exponent, std::uint32_t low, std::uint32_t high);
struct Kernels {
  Kernel plain;
  Kernel masked;
};

Kernels kernels_of(ExactPath path) {
  switch (path) {
    case ExactPath::wide4:
      return {avx2::window<4, false>, avx2::window<4, true>};
    case ExactPath::wide8_generic:
      return {avx2::window<8, false>, avx2::window<8, true>};
    case ExactPath::avx512:
      return {avx512::window<8, false>, avx512::window<8, true>};
    default:
      throw std::invalid_argument("add_squares: not a window path");
  }
}

int exponent_of(std::uint32_t bits) { return std::max(1, static_cast<int>(bits >> 23)); }
int anchor_for(std::uint32_t largest) { return std::max(kLowestAnchor, exponent_of(largest)); }

void deposit_window(const Window& w, int anchor, ExactSum& sum) {
  // Never negative: it is a sum of squares in units of 2^(2 anchor - 342), which is bit 2 anchor - 44.
  const int128 total = (static_cast<int128>(w.whole) << 45) + w.rest;
  deposit_wide(sum, static_cast<uint128>(total), 2 * (anchor - kLowestAnchor));
}

void count_nonfinite(const float* block, int n, ExactSum& sum) {
  for (int i = 0; i < n; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(block[i]) & 0x7fffffffU;
    sum.n_inf += bits == kInfinity ? 1 : 0;
    sum.n_nan += bits > kInfinity ? 1 : 0;
  }
}

/// One window after the other, each anchored at the largest element that is left, of which `largest` is the first.
void masked_windows(const float* block, int groups, std::uint32_t largest, const Kernels& kernels, ExactSum& sum) {
  std::uint32_t high = kInfinity;  // what is at or above it is not finite or done
  while (largest != 0) {
    const int anchor = anchor_for(largest);
    const std::uint32_t low = anchor == kLowestAnchor ? 0 : static_cast<std::uint32_t>(anchor - kReach) << 23;
    const Window w = kernels.masked(block, groups, anchor, low, high);
    deposit_window(w, anchor, sum);
    largest = w.largest;
    high = low;
  }
}

/// Adds a block (`n` elements, zeros after them up to whole groups); returns the guess for the next block.
int add_block(const float* block, int n, int guess, const Kernels& kernels, ExactSum& sum) {
  const int groups = (n + kGroup - 1) / kGroup;
  const Window w = kernels.plain(block, groups, guess, 0, 0);
  if (w.largest == 0) return guess;
  if (w.largest >= kInfinity) {
    count_nonfinite(block, n, sum);
    masked_windows(block, groups, kInfinity - 1, kernels, sum);
    return guess;
  }
  const int lowest = exponent_of(w.smallest);
  const int anchor = anchor_for(w.largest);
  if (anchor <= guess && guess - lowest <= kReach) {
    deposit_window(w, guess, sum);
  } else if (anchor - lowest <= kReach) {
    deposit_window(kernels.plain(block, groups, anchor, 0, 0), anchor, sum);
  } else {
    masked_windows(block, groups, w.largest, kernels, sum);
  }
  return std::min(anchor + 1, 254);  // the next block's largest element is often a little larger
}

}  // namespace

void add_windows(const float* values, std::int64_t n, ExactSum& sum, ExactPath path) {
  const Kernels kernels = kernels_of(path);
  int guess = 128;
  std::int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) guess = add_block(values + i, kBlock, guess, kernels, sum);
  if (i == n) return;
  alignas(64) float padded[kBlock];
  const auto rest = static_cast<int>(n - i);
  std::memcpy(padded, values + i, sizeof(float) * static_cast<std::size_t>(rest));
  std::fill(padded + rest, padded + (rest + kGroup - 1) / kGroup * kGroup, 0.0F);
  add_block(padded, rest, guess, kernels, sum);
}

}  // namespace switchyard::kernels::detail

#else

namespace switchyard::kernels::detail {

void add_windows(const float*, std::int64_t, ExactSum&, ExactPath) {
  throw std::invalid_argument("add_squares: this processor has no window path");
}

}  // namespace switchyard::kernels::detail

#endif

namespace switchyard::kernels::detail {

ExactPath best_path() {
  if (exact_path_available(ExactPath::avx512)) return ExactPath::avx512;
  if (exact_path_available(ExactPath::wide4)) return ExactPath::wide4;
  return ExactPath::scalar;
}

}  // namespace switchyard::kernels::detail

namespace switchyard::kernels {

bool exact_path_available(ExactPath path) {
  switch (path) {
    case ExactPath::automatic:
    case ExactPath::scalar:
      return true;
#if defined(__x86_64__)
    case ExactPath::wide4:
    case ExactPath::wide8_generic:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case ExactPath::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
#else
    default:
      break;
#endif
  }
  return false;
}

const char* exact_path_name(ExactPath path) {
  switch (path) {
    case ExactPath::automatic:
      return "automatic";
    case ExactPath::scalar:
      return "scalar";
    case ExactPath::wide4:
      return "wide4";
    case ExactPath::wide8_generic:
      return "wide8_generic";
    case ExactPath::avx512:
      return "avx512";
  }
  return "?";
}

}  // namespace switchyard::kernels
