#pragma once
/// Reductions over one CPU tensor that do not depend on order, layout or threads. CUDA: kernels/reduce_cuda.h.

#include <ATen/core/Tensor.h>

namespace switchyard::kernels {

/// Largest |t_i|; 0 for an empty tensor; NaN if any element is NaN. float32, float64, bfloat16, float16; any strides.
/// Throws std::invalid_argument on other dtypes or devices.
[[nodiscard]] double max_abs(const at::Tensor& t);

/// Sum of t_i^2, exact and rounded to double once (ExactSum); NaN and infinities as in ExactAccumulator::sum.
[[nodiscard]] double sum_of_squares(const at::Tensor& t);

/// True if no element is infinite or NaN (true for an empty tensor). Reads the tensor once and copies nothing if it is
/// dense (any order of dimensions). Throws std::invalid_argument on other dtypes or devices.
[[nodiscard]] bool all_finite(const at::Tensor& t);

}  // namespace switchyard::kernels
