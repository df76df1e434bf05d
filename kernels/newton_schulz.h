#pragma once
/// Nearest (semi-)orthogonal matrix by Newton-Schulz iteration: X <- aX + (bA + cA^2) X with A = X X^T.

#include "kernels/coefficients.h"

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace switchyard::kernels {

struct NewtonSchulz {
  std::vector<Coefficients> rows = coefficient_set("jordan", 5);  ///< one row a step; not checked here
  at::ScalarType dtype = at::ScalarType::Float;                   ///< of the iteration: Float, Double or BFloat16
  double norm_multiplier = 1.0;                                   ///< divide by norm_multiplier * ||x||_F
};

/// U p_T(S) V^T of each matrix, with x / (norm_multiplier ||x||_F) = U S V^T and p_T the composition of the rows.
/// x: [..., m, n], float32 or float64, CPU, any strides; m or n may be 0. Returns a new contiguous tensor of x's shape
/// and dtype. The Frobenius norm is exact up to one rounding to double (ExactSum; float64 after an exact power-of-two
/// prescale), so scaling x by a power of two changes no bit, and 1e-30 and 1e+19 both work. A zero matrix gives zero, a
/// matrix with a NaN or infinity gives all NaN. Rank-deficient: singular values 0 stay 0 up to rounding.
/// The Gram side is the short side. The quotient is rounded to float32 (float64 with Double), then to `dtype`.
/// Bits of a matrix depend on its values, its shape, dtype and rows alone, not on its place, neighbours or strides.
/// Below `kOneThreadSide` on the short side each matrix is computed by one thread (threads go across matrices), so the
/// number of intra-op threads does not matter; from there on all threads work inside one matrix and BLAS may change
/// the last bits with their number.
/// Throws std::invalid_argument on fewer than 2 dimensions, other dtypes or devices, or norm_multiplier <= 0.
/// Reference: K. Jordan et al., "Muon", 2024; shared/reference/muon.md sections 4 and 10.
[[nodiscard]] at::Tensor orthogonalize(const at::Tensor& x, const NewtonSchulz& options = {});

inline constexpr std::int64_t kOneThreadSide = 1024;

/// Bytes that `orthogonalize` allocates for one matrix [m, n]: with r = min(m, n) and c = max(m, n), two [r, c] and two
/// [r, r] in the iteration's dtype, and the result in x's.
[[nodiscard]] std::int64_t orthogonalize_bytes(std::int64_t m, std::int64_t n, at::ScalarType x,
                                               const NewtonSchulz& options);

}  // namespace switchyard::kernels
