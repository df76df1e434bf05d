#pragma once
/// What this processor has. Kernels choose among implementations of equal bits by themselves; what would change bits is
/// only told here, for callers to decide.

#include <string_view>

namespace switchyard::kernels {

/// The unit that multiplies bfloat16 with float32 accumulation, about 4 times faster than float32: "AMX-BF16",
/// "AVX512_BF16", or "" where there is none (bfloat16 is then about 50 times slower than float32) or where nobody has
/// measured (processors other than x86-64). A unit counts only if the operating system saves its registers.
[[nodiscard]] std::string_view bfloat16_unit();

}  // namespace switchyard::kernels
