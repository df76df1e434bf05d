#pragma once
/// Nearest (semi-)orthogonal matrix by Newton-Schulz iteration: X <- aX + (bA + cA^2) X with A = X X^T.

#include "kernels/coefficients.h"
#include "kernels/symmetric_iteration.h"

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace switchyard::kernels {

struct NewtonSchulz {
  std::vector<Coefficients> rows = coefficient_set("jordan", 5);  ///< one row a step; not checked here
  at::ScalarType dtype = at::ScalarType::Float;                   ///< of the iteration: Float, Double or BFloat16
  double norm_multiplier = 1.0;                                   ///< divide by norm_multiplier * ||x||_F
};

/// Each matrix x becomes scale U p_T(S) V^T, with x / (norm_multiplier ||x||_F) = U S V^T and p_T the composition of
/// the rows. stack: [B, m, n], float32 or float64, CPU, rows packed ([m, n] contiguous), any stride between matrices;
/// B, m or n may be 0. scales: one a matrix, or empty for 1; the factor is rounded to x's dtype and multiplies the
/// result in it. The Frobenius norm is exact up to one rounding to double (ExactSum; float64 after an exact
/// power-of-two prescale), so scaling x by a power of two changes no bit, and 1e-30 and 1e+19 both work. A zero matrix
/// gives zero, a matrix with a NaN or infinity gives all NaN. Rank-deficient: singular values 0 stay 0 up to rounding.
/// The quotient is rounded to float32 (float64 with Double), then to `dtype`. Float and Double: SymmetricIteration in
/// the form that newton_schulz_form says; a matrix's bits are a function of its values, its shape, the dtypes and the
/// rows alone: not of its place, its neighbours, its alignment, the number of threads or the processor. Threads go
/// across matrices whose temporaries are small (short side below `kAcrossSide`), inside one matrix from there on.
/// BFloat16: the standard form by the library's products, the Gram side being the short one. Below `kAcrossSide` each
/// matrix is computed by one thread; from there on all threads work inside one and the library may change the last bits
/// with their number. (Never the Gram form: its error in bfloat16 is up to 0.3 of the result.)
/// scratch: 64-byte aligned memory for temporaries, used if it has orthogonalize_bytes(.., at::get_num_threads())
/// bytes; otherwise one allocation a call.
/// Throws std::invalid_argument on other shapes, strides, dtypes or devices, on a number of scales that is neither 0
/// nor B, or norm_multiplier <= 0; nothing is changed then. Reference: K. Jordan et al., "Muon", 2024; Dao-AILab,
/// "Gram Newton-Schulz", 2026.
void orthogonalize_(const at::Tensor& stack, const NewtonSchulz& options, std::span<const double> scales = {},
                    std::span<std::byte> scratch = {});

/// The same out of place with scale 1. x: [..., m, n], any strides. Returns a new contiguous tensor of x's shape and
/// dtype.
[[nodiscard]] at::Tensor orthogonalize(const at::Tensor& x, const NewtonSchulz& options = {});

inline constexpr std::int64_t kAcrossSide = 256;

/// A call uses no more threads than this, so that its temporaries have a bound that no machine changes.
inline constexpr int kMostThreads = 32;

/// Most bytes of temporaries that a call on matrices [m, n] of dtype x holds at a time with so many intra-op threads
/// (kMostThreads: on any machine), the stack not counted. Float and Double: exactly what is allocated if the stack has
/// as many matrices as threads. BFloat16: that, and a bound of what the library's products allocate for each of them:
/// operands copied into its own layout and sums in float32, with sides of whole 64s. (Measured where the processor has
/// AVX512_BF16: 29,696 bytes for [64, 96], of which the bound is 61,440.)
[[nodiscard]] std::int64_t orthogonalize_bytes(std::int64_t m, std::int64_t n, at::ScalarType x,
                                               const NewtonSchulz& options, int threads = kMostThreads);

/// The form that is used: the Gram form where it saves at least a tenth of the operations (from about m = 1.4 n or
/// n = 1.4 m on, with five steps), never in BFloat16.
[[nodiscard]] IterationForm newton_schulz_form(std::int64_t m, std::int64_t n, at::ScalarType dtype,
                                               std::int64_t steps);

/// Floating-point operations of one matrix in that form; in BFloat16 no symmetry is used.
[[nodiscard]] double newton_schulz_flops(std::int64_t m, std::int64_t n, at::ScalarType dtype, std::int64_t steps);

}  // namespace switchyard::kernels
