#pragma once
/// The polynomial iteration X <- (aI + bA + cA^2) X, A = X X^T, on one matrix where it lies, in products of symmetric
/// matrices of the short side.

#include "kernels/coefficients.h"
#include "kernels/team.h"
#include "kernels/tiles.h"

#include <cstdint>
#include <span>

namespace switchyard::kernels {

/// How the steps are computed. All A are polynomials of the first one: symmetric, and they commute.
enum class IterationForm : std::uint8_t {
  standard,  ///< each step forms A and applies its polynomial to X
  gram,      ///< a few steps on A alone, their product then applied to X; A is formed anew after steps 2, 5, 8, ..
};

/// A matrix [m, n] with rows packed. The Gram side is the short one, r; for m > n everything stands transposed
/// (A = X^T X, X <- X Q), so X is never transposed in memory.
///
/// Gram form of a segment of steps: Q <- I; each step Z = bA + cA^2, Q <- QZ + aQ, A <- A (Z + aI)^2; at the segment's
/// end X <- QX. Restarts bound how far rounding of A can be amplified (2 after the first because there the slope at 0
/// is the largest): in float32 a matrix of the Gram form is within 1e-4 of the exact polynomial, of the standard form
/// within 1e-5. Reference: Dao-AILab, "Gram Newton-Schulz", 2026.
///
/// Bits: a function of the values, the shape, T, the rows and the form alone. Every product is a chain of fused
/// multiply-adds in ascending order, cut at depths that depend on the shape; of symmetric results the upper triangle is
/// computed and mirrored. So neither the processor, nor the number of threads, nor an alignment changes a bit.
template <class T>
class SymmetricIteration {
 public:
  /// Elements of temporaries: of the matrix, and of every worker.
  static std::int64_t shared_elements(std::int64_t m, std::int64_t n, IterationForm form);
  static std::int64_t worker_elements(std::int64_t m, std::int64_t n);

  /// `shared` and `workers` are 64-byte aligned, of shared_elements and team.workers() * worker_elements; nothing in
  /// them matters before or after. Both counts are multiples of 64 bytes.
  SymmetricIteration(std::int64_t m, std::int64_t n, IterationForm form, const Team& team, T* shared, T* workers,
                     TilePath path = TilePath::automatic);

  /// x [m, n] <- scale p_T(x), the rows applied one after the other. m and n are at least 1.
  void run(T* x, std::span<const Coefficients> rows, T scale) const;

 private:
  struct Factor;  // an operand: its elements' places and whether they lie transposed
  struct Sum;     // beta D

  [[nodiscard]] bool tall() const { return m_ > n_; }
  void multiply(T* out, const Factor& a, const Factor& b, T alpha, const Sum& sum) const;
  void add_to_diagonal(T* square, T value) const;
  void gram(const T* x) const;
  void apply(const T* q, T* packed, T* x, T scale) const;
  void apply_wide(const T* q, T* x, T scale) const;
  void apply_tall(const T* q, T* packed, T* x, T scale) const;

  std::int64_t m_, n_, side_, length_, row_;
  IterationForm form_;
  Team team_;
  const Tiles<T>& tiles_;
  T* square_[4];
  T* panels_;
  T* workers_;
};

/// True after those of `steps` steps (counted from 1) at which a segment ends.
[[nodiscard]] bool segment_ends(IterationForm form, std::int64_t step, std::int64_t steps);

/// Multiplications and additions of the iteration in a form, triangles counted as halves.
[[nodiscard]] double iteration_flops(IterationForm form, std::int64_t m, std::int64_t n, std::int64_t steps);

extern template class SymmetricIteration<float>;
extern template class SymmetricIteration<double>;

}  // namespace switchyard::kernels
