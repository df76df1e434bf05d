#pragma once

#include <string>
#include <string_view>

namespace switchyard {

/// What decides how options called `auto` are resolved. A plain value that is handed down from RunOptions or the
/// command line: no plugin and nothing in core or rules looks at the processor, so what any machine would print and
/// compute can be had on any other. No part of a hash; ranks must agree. core/run/machine.h tells that of this process.
struct Machine {
  bool fast_bfloat16 = false;  ///< products of bfloat16 with float32 accumulation take less time than those of float32
  std::string why =            ///< of `fast_bfloat16`; for people
      "without AVX512_BF16 or AMX-BF16, bfloat16 would be about 50 times slower";

  bool operator==(const Machine&) const = default;
};

/// A machine whose processor multiplies bfloat16 with this unit ("AVX512_BF16").
inline Machine machine_with(std::string_view bfloat16_unit) {
  return {.fast_bfloat16 = true, .why = std::string(bfloat16_unit) + " multiplies it and adds in float32"};
}

}  // namespace switchyard
