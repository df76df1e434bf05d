#pragma once
/// A formula for one element, run over all elements of many items in one parallel region: the engine of every local
/// phase. What a formula computes for an element depends on that element's operands and the item's numbers alone, so
/// the bits do not depend on position, strides, cuts, threads or instruction set. Plugins use it through
/// core/plugin/elementwise.h.

#include "kernels/view.h"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace switchyard::kernels {

class Recording;

inline constexpr std::size_t kMaxOperands = 8;     ///< operands of one call
inline constexpr std::size_t kFormulaBytes = 512;  ///< most that a formula may capture
inline constexpr std::size_t kMaxAxes = 16;        ///< dimensions of an item

enum class Access : std::uint8_t { in, out, inout };

/// One operand of one item. `stored` is the half-precision tensor that `view` is the float32 master of: a load takes
/// the master where it rounds to the stored element, else the stored one, which somebody else has written (also a NaN);
/// a store writes the master and, rounded to nearest even once, the stored tensor.
struct ElementOperand {
  View view;
  View stored{};
};

/// One item: operands of equal sizes.
struct ElementItem {
  std::span<const std::int64_t> sizes;
  std::int64_t numel = 0;
  std::array<ElementOperand, kMaxOperands> operands{};
};

/// What a call does, with its types erased. The functions get `context`.
struct ElementCall {
  std::size_t items = 0;
  std::size_t operands = 0;
  std::array<Access, kMaxOperands> access{};
  bool wide = false;      ///< compute in double, else in float
  double gain = 1;        ///< what the first operand marked in the loop as scaled is multiplied by, rounded once
  bool replayed = false;  ///< interpret the recorded formula instead of running the compiled one
  const void* context = nullptr;
  std::int64_t (*numel)(const void* context, std::size_t item) = nullptr;
  void (*describe)(const void* context, std::size_t item, ElementItem& out) = nullptr;
  bool (*same_numbers)(const void* context, std::size_t a, std::size_t b) = nullptr;  ///< one formula serves both
  void (*make)(const void* context, std::size_t item, void* formula) = nullptr;
  void (*loop)(const void* formula, void* const* rows, double gain, std::int64_t n) = nullptr;
  void (*record)(const void* context, std::size_t item, Recording& out) = nullptr;
};

/// Runs a call on ATen's intra-op threads; allocates nothing (unless it is replayed). Operands: CPU memory; float32,
/// float64, bfloat16 or float16 in any mix, any strides (an operand that is only read may be expanded), converted when
/// read and rounded to nearest even once when written; or encoded (1-D, packed, float32 compute, chunks of at most
/// 4096). Operands of one item must not overlap unless all are only read. Throws std::invalid_argument on other dtypes,
/// expanded outputs and too many dimensions; nothing is written then.
void run(const ElementCall& call);

/// True where loops compiled for AVX2 and FMA may run. They give the bits of the others.
bool has_vectors();

/// master_i <- stored_i where the master does not round to it.
void adopt_writes(const View& master, const View& stored, std::span<const std::int64_t> sizes, std::int64_t numel);
/// to_i <- from_i, rounded once where `to` is narrower; neither is encoded.
void copy_elements(const View& from, const View& to, std::span<const std::int64_t> sizes, std::int64_t numel);

namespace detail {

/// Calls formula(v0, v1, ...) for each of n elements; rows are packed. `Scaled` is the operand that is multiplied by
/// gain, or -1.
template <class C, int Scaled, class Accesses, class Formula, std::size_t... I>
__attribute__((always_inline)) inline void loop(const Formula& formula, void* const* rows, double gain, std::int64_t n,
                                                std::index_sequence<I...>) {
  const std::array<C*, sizeof...(I)> row = {static_cast<C*>(rows[I])...};
  [[maybe_unused]] const auto g = static_cast<C>(gain);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    C v[sizeof...(I)] = {
        (Accesses::at(I) == Access::out ? C{} : (static_cast<int>(I) == Scaled ? g * row[I][i] : row[I][i]))...};
    formula(v[I]...);
    ((Accesses::at(I) != Access::in ? static_cast<void>(row[I][i] = v[I]) : static_cast<void>(0)), ...);
  }
}

template <Access... A>
struct Accesses {
  static constexpr std::size_t size = sizeof...(A);
  static constexpr std::array<Access, sizeof...(A)> all = {A...};
  static constexpr Access at(std::size_t i) { return all[i]; }
};

template <class C, int Scaled, class Accesses, class Formula>
void plain_loop(const void* formula, void* const* rows, double gain, std::int64_t n) {
  loop<C, Scaled, Accesses>(*static_cast<const Formula*>(formula), rows, gain, n,
                            std::make_index_sequence<Accesses::size>());
}

#if defined(__x86_64__)
template <class C, int Scaled, class Accesses, class Formula>
__attribute__((target("avx2,fma"), flatten)) void vector_loop(const void* formula, void* const* rows, double gain,
                                                              std::int64_t n) {
  loop<C, Scaled, Accesses>(*static_cast<const Formula*>(formula), rows, gain, n,
                            std::make_index_sequence<Accesses::size>());
}
#endif

template <class C, int Scaled, class Accesses, class Formula>
auto best_loop() {
#if defined(__x86_64__)
  if (has_vectors()) return &vector_loop<C, Scaled, Accesses, Formula>;
#endif
  return &plain_loop<C, Scaled, Accesses, Formula>;
}

}  // namespace detail

// ---- What formulas are written with, beside + - * / and comparisons. recorded.h has the same for recorded values.
// Templates, so that where <cmath> puts its own into the global namespace a call is not ambiguous.

template <std::floating_point C>
inline C select(bool condition, C yes, C no) {
  return condition ? yes : no;
}
template <std::floating_point C>
inline C fma(C a, C b, C c) {
  if constexpr (sizeof(C) == 4) {
    return __builtin_fmaf(a, b, c);
  } else {
    return __builtin_fma(a, b, c);
  }
}
template <std::floating_point C>
inline C sqrt(C x) {
  if constexpr (sizeof(C) == 4) {
    return __builtin_sqrtf(x);
  } else {
    return __builtin_sqrt(x);
  }
}
template <std::floating_point C>
inline C abs(C x) {
  if constexpr (sizeof(C) == 4) {
    return __builtin_fabsf(x);
  } else {
    return __builtin_fabs(x);
  }
}
/// 1, -1, or 0 for zeros and NaN.
template <std::floating_point C>
inline C sign(C x) {
  return select(x > C(0), C(1), select(x < C(0), C(-1), C(0)));
}

}  // namespace switchyard::kernels
