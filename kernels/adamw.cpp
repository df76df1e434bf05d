#include "kernels/adamw.h"

#include "kernels/adamw_chunk.h"
#include "kernels/pointwise.h"

#include <ATen/ops/sqrt.h>

#include <array>
#include <cmath>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace switchyard::kernels {
namespace {

void require(bool ok, const std::string& what) {
  if (!ok) throw std::invalid_argument("adamw: " + what);
}

void check(const at::Tensor& param, const at::Tensor& grad, const at::Tensor& m, const at::Tensor& v,
           const at::Tensor& vmax, const AdamW& o) {
  require(param.defined() && grad.defined() && m.defined() && v.defined(),
          "param, grad, exp_avg and exp_avg_sq must be defined");
  require(!o.amsgrad || vmax.defined(), "amsgrad needs max_exp_avg_sq");
  require(o.count >= 1, "count starts at 1, got " + std::to_string(o.count));
  require(o.beta1 >= 0 && o.beta1 < 1, "beta1 must lie in [0, 1), got " + std::to_string(o.beta1));
  require(o.beta2 >= 0 && o.beta2 < 1, "beta2 must lie in [0, 1), got " + std::to_string(o.beta2));
  const auto type = m.scalar_type();
  require(type == at::ScalarType::Float || type == at::ScalarType::Double, "exp_avg must be float32 or float64");
  require(v.scalar_type() == type, "exp_avg_sq must have exp_avg's dtype");
  require(!o.amsgrad || vmax.scalar_type() == type, "max_exp_avg_sq must have exp_avg's dtype");
  const auto same_shape = [&](const at::Tensor& t) { return t.sizes() == param.sizes(); };
  require(same_shape(grad) && same_shape(m) && same_shape(v) && (!o.amsgrad || same_shape(vmax)), "shapes differ");
}

/// `vectors` false: the reference, whatever the processor has.
void run(const at::Tensor& param, const at::Tensor& grad, const at::Tensor& m, const at::Tensor& v,
         const at::Tensor& vmax, const AdamW& o, bool vectors) {
  check(param, grad, m, v, vmax, o);
  const at::ScalarType compute = m.scalar_type();
  const AdamWScalars<float> narrow(o);
  const AdamWScalars<double> wide(o);
  const auto stage = [&](AdamWStage which, const at::Tensor& root) {
    const bool moments = which != AdamWStage::update;
    std::array<Operand, 6> operands{which == AdamWStage::moments ? in(param) : inout(param), in(grad),
                                    moments ? inout(m) : in(m), moments ? inout(v) : in(v)};
    std::size_t count = 4;
    if (o.amsgrad && moments) operands[count++] = inout(vmax);
    if (!moments) operands[count++] = in(root);
    pointwise(compute, std::span<const Operand>(operands.data(), count), [&](auto x, std::int64_t n) {
      using C = typename decltype(x)::scalar;
      const AdamWRows<C> rows{x[0], x[1], x[2], x[3], o.amsgrad && moments ? x[4] : nullptr, moments ? nullptr : x[4]};
      if constexpr (std::is_same_v<C, float>) {
        adamw_chunk(rows, n, narrow, which, vectors);
      } else {
        adamw_chunk(rows, n, wide, which, vectors);
      }
    });
  };
  if (o.arithmetic == AdamWArithmetic::fused) return stage(AdamWStage::whole, {});
  // at::sqrt is a pure function of the value (MKL's), so a packed temporary gives the bits that torch's loop gives.
  stage(AdamWStage::moments, {});
  stage(AdamWStage::update, at::sqrt(o.amsgrad ? vmax : v));
}

}  // namespace

void adamw(const at::Tensor& param, const at::Tensor& grad, const at::Tensor& exp_avg, const at::Tensor& exp_avg_sq,
           const at::Tensor& max_exp_avg_sq, const AdamW& options) {
  run(param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, options, true);
}

void adamw_reference(const at::Tensor& param, const at::Tensor& grad, const at::Tensor& exp_avg,
                     const at::Tensor& exp_avg_sq, const at::Tensor& max_exp_avg_sq, const AdamW& options) {
  run(param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, options, false);
}

}  // namespace switchyard::kernels
