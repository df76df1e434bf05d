#pragma once
/// Master copies of parameters in half precision.

#include <ATen/core/Tensor.h>

namespace switchyard::kernels {

/// master_i <- master_i where round(master_i) = stored_i, else stored_i: a stored element that is no longer the rounded
/// master was written by someone else and wins; elsewhere the master keeps its extra bits. NaN: stored wins.
/// master: float32; stored: bfloat16 or float16 of the same shape; CPU, any strides. Throws std::invalid_argument.
void adopt_writes(const at::Tensor& master, const at::Tensor& stored);

}  // namespace switchyard::kernels
