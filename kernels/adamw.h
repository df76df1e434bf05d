#pragma once
/// AdamW on one tensor, in place, with the bits of torch 2.11 on the CPU and independent of position, layout and
/// threads.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace switchyard::kernels {

/// Which of torch's two roundings to reproduce.
enum class AdamWArithmetic : std::uint8_t {
  fused,  ///< torch.optim.AdamW(fused=True), its vector body in every element: IEEE square root
  torch,  ///< torch.optim.AdamW(foreach=False, fused=False): at::sqrt, which on some processors is not the IEEE root
};

/// Scalars of one step. All are doubles and are rounded to the compute type once.
struct AdamW {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double decay = 0.0;       ///< the factor itself, lr * weight_decay or schedule * weight_decay: p' = p f(1 - decay)
  bool amsgrad = false;     ///< divide by the root of the largest v so far; needs max_exp_avg_sq
  bool maximize = false;    ///< ascend: g is -g
  std::int64_t count = 1;   ///< applied updates, this one included (t, from 1)
  double grad_scale = 1.0;  ///< every gradient element is multiplied by it first, rounded to the compute type
  AdamWArithmetic arithmetic = AdamWArithmetic::fused;
};

/// One step, with r() one rounding to the compute type, fma one rounding, b^t a double power and
///   w = r(1-b1), c = r(1-b2), B2 = r(b2), q = r(sqrt(1-b2^t)), ns = r(-(lr/(1-b1^t))), each from doubles:
///   g  = r(grad_scale grad), negated if maximize
///   p' = r(p r(1-decay))                                          (only if decay is not 0)
///   m  = fma(w, r(g-m), m) if |w| < 0.5, else fma(-r(1-w), r(g-m), g)
///   v  = fma(r(c g), g, r(v B2))
///   S  = sqrt(v), or of max(vmax, v) with amsgrad (NaN wins)
///   p  = r(p' + r(r(ns m) / r(r(S/q) + eps)))
/// All tensors have equal sizes and any strides. exp_avg, exp_avg_sq and max_exp_avg_sq have one dtype, float32 or
/// float64: the compute type. param and grad are float32, float64, bfloat16 or float16; grad is converted first, a
/// param of another dtype than the state is widened and rounded once at the end (pass a master for half types).
/// max_exp_avg_sq is read only with amsgrad and may be undefined otherwise. grad is never written.
/// Same bits for every layout, cut and number of threads; AVX2+FMA where the processor has it, else `adamw_reference`.
/// Source: torch/optim/adam.py and FusedAdamKernel.cpp of 2.11, shared/reference/performance.md 3.1.
/// Throws std::invalid_argument, before any change, on count < 1, betas outside [0, 1), shapes or dtypes.
void adamw(const at::Tensor& param, const at::Tensor& grad, const at::Tensor& exp_avg, const at::Tensor& exp_avg_sq,
           const at::Tensor& max_exp_avg_sq, const AdamW& options);

/// The same bits without vector instructions: the formulas above, one element at a time, with std::fma and std::sqrt.
void adamw_reference(const at::Tensor& param, const at::Tensor& grad, const at::Tensor& exp_avg,
                     const at::Tensor& exp_avg_sq, const at::Tensor& max_exp_avg_sq, const AdamW& options);

}  // namespace switchyard::kernels
