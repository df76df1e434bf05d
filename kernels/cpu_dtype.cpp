#include "kernels/newton_schulz.h"

#include <cpuid.h>

#include <cstdint>

namespace switchyard::kernels {
namespace {

/// What the processor has and the operating system saves (CPUID leaf 7 and XCR0). Read by hand: g++ 12 and clang++ 14
/// do not agree on the names that __builtin_cpu_supports knows.
struct Bfloat16Units {
  bool avx512 = false;
  bool amx = false;
};

__attribute__((target("xsave"))) std::uint64_t enabled_state() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

Bfloat16Units bfloat16_units() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  Bfloat16Units units;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & (1U << 27)) == 0) return units;  // OSXSAVE
  const std::uint64_t state = enabled_state();
  const bool saves_zmm = (state & 0xe6) == 0xe6;
  const bool saves_tiles = (state & 0x60000) == 0x60000;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return units;
  const bool avx512f = (b & (1U << 16)) != 0;
  units.amx = saves_tiles && (d & (1U << 22)) != 0 && (d & (1U << 24)) != 0;
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0)
    units.avx512 = saves_zmm && avx512f && (a & (1U << 5)) != 0;
  return units;
}

}  // namespace

DtypeChoice iteration_dtype_auto() {
  const Bfloat16Units units = bfloat16_units();
  if (units.amx) return {at::ScalarType::BFloat16, "the CPU has AMX-BF16: bfloat16 products with float32 accumulation"};
  if (units.avx512)
    return {at::ScalarType::BFloat16, "the CPU has AVX512_BF16: bfloat16 products with float32 accumulation"};
  return {at::ScalarType::Float,
          "the CPU has neither AVX512_BF16 nor AMX: bfloat16 would be about 50 times slower than float32"};
}

}  // namespace switchyard::kernels
