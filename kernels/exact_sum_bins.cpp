#include "kernels/exact_sum_detail.h"

#include <array>
#include <bit>
#include <memory>

namespace switchyard::kernels::detail {
namespace {

/// An element as mantissa 2^(max(1, exponent) + constant), from its bits: independent of any floating-point mode.
template <class Bits, int MantissaBits, int ExponentBits>
struct Parts {
  static constexpr unsigned kSpecial = (1U << ExponentBits) - 1;
  unsigned exponent;
  Bits mantissa;
  explicit Parts(Bits bits)
      : exponent(static_cast<unsigned>(bits >> MantissaBits) & kSpecial),
        mantissa(bits & ((Bits{1} << MantissaBits) - 1)) {
    if (exponent == 0) {
      exponent = 1;
    } else {
      mantissa |= Bits{1} << MantissaBits;
    }
  }
};
using FloatParts = Parts<std::uint32_t, 23, 8>;
using DoubleParts = Parts<std::uint64_t, 52, 11>;

template <class P, class Sum>
bool counted(const P& p, Sum& sum) {
  if (p.exponent != P::kSpecial) return false;
  const bool infinite = (p.mantissa & (p.mantissa - 1)) == 0;  // only the hidden bit
  ++(infinite ? sum.n_inf : sum.n_nan);
  return true;
}

}  // namespace

void add_bins(const float* values, std::int64_t n, ExactSum& sum) {
  if (n < 128) {  // clearing and emptying 255 bins would cost more
    for (std::int64_t i = 0; i < n; ++i) {
      const FloatParts p(std::bit_cast<std::uint32_t>(values[i]));
      if (counted(p, sum)) continue;
      deposit(sum, static_cast<std::uint64_t>(p.mantissa) * p.mantissa, static_cast<int>(2 * p.exponent - 2));
    }
    return;
  }
  constexpr std::int64_t kHeadroom = std::int64_t{1} << 16;  // squares are below 2^48
  std::array<std::uint64_t, 255> bins{};
  for (std::int64_t begin = 0; begin < n; begin += kHeadroom) {
    const std::int64_t end = begin + kHeadroom < n ? begin + kHeadroom : n;
    for (std::int64_t i = begin; i < end; ++i) {
      const FloatParts p(std::bit_cast<std::uint32_t>(values[i]));
      if (counted(p, sum)) continue;
      bins[p.exponent] += static_cast<std::uint64_t>(p.mantissa) * p.mantissa;
    }
    for (unsigned e = 1; e < bins.size(); ++e) {  // m^2 2^(2e-300) is bit 2e-2 of the accumulator
      if (bins[e] != 0) deposit(sum, bins[e], static_cast<int>(2 * e - 2));
      bins[e] = 0;
    }
  }
}

void add_bins(const double* values, std::int64_t n, ExactSum64& sum) {
  const auto square = [](std::uint64_t m) { return static_cast<uint128>(m) * m; };  // below 2^106
  if (n < 4096) {  // clearing and emptying 2047 bins would cost more
    for (std::int64_t i = 0; i < n; ++i) {
      const DoubleParts p(std::bit_cast<std::uint64_t>(values[i]));
      if (!counted(p, sum)) deposit_wide(sum, square(p.mantissa), static_cast<int>(2 * p.exponent - 2));
    }
    return;
  }
  constexpr std::int64_t kHeadroom = std::int64_t{1} << 22;
  const auto bins = std::make_unique<std::array<uint128, 2047>>();
  for (std::int64_t begin = 0; begin < n; begin += kHeadroom) {
    const std::int64_t end = begin + kHeadroom < n ? begin + kHeadroom : n;
    for (std::int64_t i = begin; i < end; ++i) {
      const DoubleParts p(std::bit_cast<std::uint64_t>(values[i]));
      if (!counted(p, sum)) (*bins)[p.exponent] += square(p.mantissa);
    }
    for (unsigned e = 1; e < bins->size(); ++e) {
      if ((*bins)[e] != 0) deposit_wide(sum, (*bins)[e], static_cast<int>(2 * e - 2));
      (*bins)[e] = 0;
    }
  }
}

}  // namespace switchyard::kernels::detail
