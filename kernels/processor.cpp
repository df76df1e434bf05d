#include "kernels/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#endif

namespace switchyard::kernels {

#if defined(__x86_64__)

namespace {

__attribute__((target("xsave"))) std::uint64_t enabled_state() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

}  // namespace

/// CPUID leaf 7 and XCR0. Read by hand: g++ 12 and clang++ 14 do not agree on the names that __builtin_cpu_supports
/// knows.
std::string_view bfloat16_unit() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & (1U << 27)) == 0) return "";  // OSXSAVE
  const std::uint64_t state = enabled_state();
  const bool saves_zmm = (state & 0xe6) == 0xe6;
  const bool saves_tiles = (state & 0x60000) == 0x60000;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return "";
  const bool avx512f = (b & (1U << 16)) != 0;
  const bool amx = (d & (1U << 22)) != 0 && (d & (1U << 24)) != 0;  // AMX-BF16 and AMX-TILE
  if (saves_tiles && amx) return "AMX-BF16";
  if (a == 0 || __get_cpuid_count(7, 1, &a, &b, &c, &d) == 0) return "";
  return saves_zmm && avx512f && (a & (1U << 5)) != 0 ? "AVX512_BF16" : "";
}

#else

std::string_view bfloat16_unit() { return ""; }

#endif

}  // namespace switchyard::kernels
