#pragma once
/// Exact sums of squares in fixed point: the same bits for any order, cuts, threads, vector width and number of ranks.
/// State is a row of int64, so ranks combine by an integer SUM; infinities and NaNs are counted in the same pass.

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace switchyard::kernels {

/// sum = Sum_i limbs[i] 2^(Base + 32 i). Limbs are never negative; after normalize() all but the last are below 2^32
/// and the same set of elements has the same limbs. Plain data: `Limbs + 2` int64 without padding, in the order limbs,
/// n_inf, n_nan, to be all-reduced as one int64 array (normalised first, an int64 SUM is safe for 2^31 ranks;
/// normalize() again afterwards).
template <int Limbs, int Base>
struct ExactAccumulator {
  static constexpr int kLimbs = Limbs;
  static constexpr int kBaseExponent = Base;
  static constexpr int kWords = Limbs + 2;

  std::array<std::int64_t, Limbs> limbs{};
  std::int64_t n_inf = 0;  ///< elements that were infinite (not deposited)
  std::int64_t n_nan = 0;  ///< elements that were NaN (not deposited)

  void normalize();
  /// Exact merge; both sides may be unnormalised below 2^62; the result is normalised.
  ExactAccumulator& operator+=(const ExactAccumulator& other);
  [[nodiscard]] bool nonfinite() const { return n_inf + n_nan > 0; }
  /// The sum of squares, rounded to nearest even once; NaN if a NaN was seen, else infinity if an infinity was seen or
  /// the sum exceeds the largest double.
  [[nodiscard]] double sum() const;
  /// Square root of the sum, which is rounded to 53 bits once (whatever its exponent), then IEEE sqrt: overflows only
  /// if the norm itself exceeds the largest double. NaN and infinity as in sum().
  [[nodiscard]] double norm() const;

  [[nodiscard]] std::int64_t* words() { return limbs.data(); }
  [[nodiscard]] const std::int64_t* words() const { return limbs.data(); }
  bool operator==(const ExactAccumulator&) const = default;
};

/// For float32, bfloat16 and float16: squares are multiples of 2^-298 below 2^256; up to 2^86 elements. 176 bytes.
using ExactSum = ExactAccumulator<20, -298>;
/// For float64: squares are multiples of 2^-2148 below 2^2048. 1088 bytes.
using ExactSum64 = ExactAccumulator<134, -2148>;
static_assert(sizeof(ExactSum) == 22 * 8 && sizeof(ExactSum64) == 136 * 8);

/// How to add; all paths give the same bits. `automatic` picks by processor. The others throw std::invalid_argument
/// where the processor lacks the instructions.
enum class ExactPath : std::uint8_t {
  automatic,
  scalar,         ///< one integer bin an exponent; the reference
  wide4,          ///< two-double windows, 4 lanes, AVX2
  wide8_generic,  ///< the same source with 8 lanes, compiled for AVX2 (tests the algorithm of `avx512` anywhere)
  avx512,         ///< the same source with 8 lanes, compiled for AVX-512F
};
[[nodiscard]] bool exact_path_available(ExactPath path);
[[nodiscard]] const char* exact_path_name(ExactPath path);

/// sum += Sum t_i^2. t: CPU tensor, any shape and strides, float32, bfloat16 or float16 (ExactSum) or float64
/// (ExactSum64). Reads each element once, on ATen's threads, writes nothing but `sum`, which is normalised on return.
/// Denormals count even if the caller's thread has denormals-are-zero set. Throws std::invalid_argument on other dtypes
/// or devices. Source: Neal 2015 (xsum), Collange et al. 2015 (ExBLAS).
void add_squares(const at::Tensor& t, ExactSum& sum);
void add_squares(const at::Tensor& t, ExactSum64& sum);

/// The same on `n` packed values, on the calling thread alone.
void add_squares(const float* values, std::int64_t n, ExactSum& sum, ExactPath path = ExactPath::automatic);
void add_squares(const double* values, std::int64_t n, ExactSum64& sum);

/// Exact merge of the narrow sum into the wide one (the limbs of the first are shifted by 26 bits), counters included.
void add(ExactSum64& sum, const ExactSum& narrow);

/// Norm over float32-like and float64 elements together, with one rounding of the joint sum.
[[nodiscard]] double joint_norm(const ExactSum& narrow, const ExactSum64& wide);

extern template struct ExactAccumulator<20, -298>;
extern template struct ExactAccumulator<134, -2148>;

}  // namespace switchyard::kernels
