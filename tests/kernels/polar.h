#pragma once
/// What Newton-Schulz approximates, by the singular value decomposition in float64.

#include "kernels/coefficients.h"

#include "tests/kernels/values.h"

#include <vector>

namespace switchyard::testing {

/// U p(S / ||x||) V^T.
inline at::Tensor polar_polynomial(const at::Tensor& x, const std::vector<kernels::Coefficients>& rows,
                                   double norm_multiplier = 1.0) {
  auto [u, s, vh] = at::linalg_svd(x.to(at::kDouble), false);
  at::Tensor p = s / (norm_multiplier * s.norm());
  double* values = p.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < p.numel(); ++i) values[i] = kernels::evaluate(rows, values[i]);
  return u.mul(p.unsqueeze(0)).matmul(vh);
}

inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).norm() / b.to(at::kDouble).norm()).item<double>();
}

}  // namespace switchyard::testing
