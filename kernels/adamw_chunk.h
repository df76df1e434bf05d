#pragma once
/// AdamW on packed rows of one compute type: what adamw.h does to a chunk. Internal to kernels/.

#include "kernels/adamw.h"

#include <cmath>
#include <cstdint>

namespace switchyard::kernels {

/// The scalars of adamw.h's formula, each computed in double and rounded to C once.
template <class C>
struct AdamWScalars {
  C scale, w, one_minus_w, c, beta2, keep, q, eps, step;
  bool scaled, negated, small_w, decays;

  explicit AdamWScalars(const AdamW& o)
      : scale(static_cast<C>(o.grad_scale)),
        w(static_cast<C>(1.0 - o.beta1)),
        one_minus_w(C(1) - w),
        c(static_cast<C>(1.0 - o.beta2)),
        beta2(static_cast<C>(o.beta2)),
        keep(static_cast<C>(1.0 - o.decay)),
        q(static_cast<C>(std::sqrt(1.0 - std::pow(o.beta2, static_cast<double>(o.count))))),
        eps(static_cast<C>(o.eps)),
        step(static_cast<C>(-(o.lr / (1.0 - std::pow(o.beta1, static_cast<double>(o.count)))))),
        scaled(scale != C(1)),
        negated(o.maximize),
        small_w(std::abs(w) < C(0.5)),
        decays(o.decay != 0.0) {}
};

template <class C>
struct AdamWRows {
  C* param;
  const C* grad;
  C* m;
  C* v;
  C* vmax;        ///< read and written in stages `whole` and `moments`; nullptr without amsgrad
  const C* root;  ///< read in stage `update`: the square root of v or vmax; else nullptr
};

/// whole = moments, then the IEEE square root, then update.
enum class AdamWStage : std::uint8_t { whole, moments, update };

/// AVX2+FMA if `vectors` and the processor has them, else (and in the tail) one element after the other: the same bits.
void adamw_chunk(const AdamWRows<float>& rows, std::int64_t n, const AdamWScalars<float>& s, AdamWStage stage,
                 bool vectors);
void adamw_chunk(const AdamWRows<double>& rows, std::int64_t n, const AdamWScalars<double>& s, AdamWStage stage,
                 bool vectors);

}  // namespace switchyard::kernels
