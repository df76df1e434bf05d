#pragma once
/// The inner loops of exact_sum: they deposit without normalising. Internal to kernels/.

#include "kernels/exact_sum.h"

#include <cstdint>

namespace switchyard::kernels::detail {

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

/// A call of a loop below makes fewer than 16 deposits an element, each adding less than 2^33 to a limb.
inline constexpr std::int64_t kDepositsBeforeNormalize = std::int64_t{1} << 24;

/// sum += value 2^(Base + bit). Adds less than 2^32 to each of three neighbouring limbs.
template <int Limbs, int Base>
void deposit(ExactAccumulator<Limbs, Base>& sum, std::uint64_t value, int bit) {
  const auto shifted = static_cast<uint128>(value) << (bit % 32);
  std::int64_t* limb = sum.limbs.data() + bit / 32;
  limb[0] += static_cast<std::int64_t>(static_cast<std::uint32_t>(shifted));
  // The last limb has no neighbours; an element never reaches beyond it.
  if (const auto middle = static_cast<std::uint32_t>(shifted >> 32); middle != 0)
    limb[1] += static_cast<std::int64_t>(middle);
  if (const auto high = static_cast<std::uint32_t>(shifted >> 64); high != 0)
    limb[2] += static_cast<std::int64_t>(high);
}

/// sum += value 2^(Base + bit), 128 bits at once.
template <int Limbs, int Base>
void deposit_wide(ExactAccumulator<Limbs, Base>& sum, uint128 value, int bit) {
  deposit(sum, static_cast<std::uint64_t>(value), bit);
  if (const auto high = static_cast<std::uint64_t>(value >> 64); high != 0) deposit(sum, high, bit + 64);
}

/// The reference: squares of mantissas added into one integer for each exponent. Integer code only.
void add_bins(const float* values, std::int64_t n, ExactSum& sum);
void add_bins(const double* values, std::int64_t n, ExactSum64& sum);

/// Two-double windows on blocks of 2048; path is wide4, wide8_generic or avx512 and available.
void add_windows(const float* values, std::int64_t n, ExactSum& sum, ExactPath path);

/// What ExactPath::automatic means on this processor.
ExactPath best_path();

}  // namespace switchyard::kernels::detail
