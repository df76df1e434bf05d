#pragma once
/// The first pass of Newton-Schulz over a matrix: its exact norm, and the quotient.

#include "kernels/team.h"

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace switchyard::kernels {

/// x / norm is computed as (x * first * second) / norm in double, where first and second are powers of two whose
/// product makes the largest element of a float64 matrix lie in [1, 2): then norm neither overflows nor is denormal.
/// For float32 both are 1: squares of floats fit the accumulator, and the norm of floats is a normal double.
struct Normalizer {
  double first = 1.0, second = 1.0;  ///< two factors, because 2^1074 is not a double
  double norm = 0.0;                 ///< 0: all zero; NaN or infinite: a NaN or infinity among the elements
};

[[nodiscard]] Normalizer normalizer(const float* x, std::int64_t n);
[[nodiscard]] Normalizer normalizer(const double* x, std::int64_t n);

/// The quotient of one element, rounded to float32 unless S is double, then to S.
template <class S, class T>
S quotient(T x, const Normalizer& by) {
  double value = x;
  if constexpr (std::is_same_v<T, double>) value = value * by.first * by.second;
  value /= by.norm;
  if constexpr (std::is_same_v<S, double>) {
    return value;
  } else {
    return static_cast<S>(static_cast<float>(value));
  }
}

/// to[i] = quotient of x[i]; `to` may be x.
template <class S, class T>
void normalize(const T* x, S* to, std::int64_t n, const Normalizer& by, const Team& team) {
  constexpr std::int64_t kPiece = std::int64_t{1} << 15;
  team.run((n + kPiece - 1) / kPiece, [&](std::int64_t u, int) {
    const std::int64_t end = std::min(n, (u + 1) * kPiece);
    for (std::int64_t i = u * kPiece; i < end; ++i) to[i] = quotient<S>(x[i], by);
  });
}

/// place(i, j) for all of [rows, columns) in squares of 32, so that both i-major and j-major memory is read and written
/// in whole cache lines.
template <class F>
void in_squares(std::int64_t rows, std::int64_t columns, F&& place) {
  constexpr std::int64_t kSide = 32;
  for (std::int64_t i0 = 0; i0 < rows; i0 += kSide) {
    for (std::int64_t j0 = 0; j0 < columns; j0 += kSide) {
      for (std::int64_t i = i0; i < std::min(rows, i0 + kSide); ++i) {
        for (std::int64_t j = j0; j < std::min(columns, j0 + kSide); ++j) place(i, j);
      }
    }
  }
}

}  // namespace switchyard::kernels
