#include <ATen/ops/empty.h>
#include <ATen/ops/sqrt.h>

#include <cmath>
#include <vector>

#include "core/plugin/elementwise.h"

namespace switchyard {
namespace {

/// Which of torch's two roundings to reproduce.
enum class Arithmetic : std::uint8_t { fused, torch };

constexpr auto describe(of<Arithmetic>) {
  return choices(
      choice("fused", Arithmetic::fused, "position-free: the same bits under any sharding; torch's fused kernel"),
      choice("torch", Arithmetic::torch, "torch's default optimizer, with torch's own square root"));
}

struct AdamWOptions {
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.01;
  DecayMode decay = DecayMode::decoupled;
  bool amsgrad = false;
  bool maximize = false;
  Arithmetic arithmetic = Arithmetic::fused;
};

constexpr auto describe(of<AdamWOptions>) {
  return options(
      option("betas", &AdamWOptions::betas, half_open(0, 1), "Decay rates of the averages of g and of g squared."),
      option("eps", &AdamWOptions::eps, above(0), "Added to the root of the second average.").schedulable(),
      option("weight_decay", &AdamWOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
          .schedulable()
          .role(OptionRole::weight_decay),
      option("decay", &AdamWOptions::decay, "What the weight decay is multiplied by.").role(OptionRole::decay_mode),
      option("amsgrad", &AdamWOptions::amsgrad, "Divide by the root of the largest second average so far."),
      option("maximize", &AdamWOptions::maximize, "Ascend instead of descend."),
      option("arithmetic", &AdamWOptions::arithmetic, "Whose rounding to follow.").arithmetic());
}

constexpr const char* suggested = R"json({
  "switchyard": 1,
  "description": "AdamW for whatever no rule gives to another optimizer; gains and biases are not decayed.",
  "optimizers": {
    "adamw": {"plugin": "adamw", "lr": 0.0003, "options": {"betas": [0.9, 0.95]}}
  },
  "rules": [
    {"id": "adamw-vectors", "match": {"ndim": "<=1"}, "use": "adamw", "set": {"wd_scale": 0}, "optional": true,
     "note": "Norms, gains and biases have no second axis and are not pulled to zero."}
  ],
  "fallback": "adamw"
})json";

/// The scalars of the moments. With r() one rounding, fma one rounding, w = r(1-b1), c = r(1-b2), g the scaled
/// gradient, negated to maximize:
///   m = fma(w, r(g-m), m) if w < 0.5, else fma(-r(1-w), r(g-m), g)
///   v = fma(r(c g), g, r(v r(b2)))
/// and with amsgrad the larger of v and what it has been so far, where a NaN wins.
template <class Real>
auto moments_of(const AdamWOptions& o, Real real) {
  const bool small = std::abs(static_cast<float>(1 - o.betas[0])) < 0.5F;
  const auto w = real(1 - o.betas[0]);
  const auto weight = small ? w : -(real(1) - w);
  const auto c = real(1 - o.betas[1]), b2 = real(o.betas[1]), sense = real(o.maximize ? -1 : 1);
  return [=](auto given, auto& m, auto& v, auto&... top) {
    const auto g = sense * given;
    m = fma(weight, g - m, select(small, m, g));
    v = fma(c * g, g, v * b2);
    ((top = select(v <= top || top != top, top, v)), ...);
  };
}

/// The scalars of the update, with b^t a double power and S the root of v (of the largest with amsgrad):
///   p = r(r(p r(1-decay)) + r(r(ns m) / r(r(S/q) + eps))), q = r(sqrt(1-b2^t)), ns = r(-(lr/(1-b1^t)))
template <class Real>
auto update_of(const AdamWOptions& o, const Numbers& at, Real real) {
  const auto t = static_cast<double>(at.count);
  const auto keep = real(1 - at.decay), eps = real(o.eps);
  const auto q = real(std::sqrt(1 - std::pow(o.betas[1], t)));
  const auto step = real(-(at.lr / (1 - std::pow(o.betas[0], t))));
  return [=](auto& p, auto m, auto root) { p = p * keep + (step * m) / (root / q + eps); };
}

/// AdamW with the bits of torch 2.11 on the CPU, independent of position, layout and threads: `fused` those of
/// torch.optim.AdamW(fused=True), its vector body in every element, with IEEE square roots; `torch` those of
/// AdamW(foreach=False, fused=False), whose at::sqrt is not the IEEE root on some processors.
/// Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019; torch/optim/adam.py and FusedAdamKernel.cpp.
class AdamW final : public Optimizer {
 public:
  void finish(Pieces pieces, const Step& step) override {
    const auto& o = step.options<AdamWOptions>();
    if (o.arithmetic == Arithmetic::torch) {
      as_torch(pieces, step, o);
    } else if (o.amsgrad) {
      whole(pieces, step, o,
            operands(inout(piece::param), in(piece::grad), inout(piece::state(0)), inout(piece::state(1)),
                     inout(piece::state(2))));
    } else {
      whole(pieces, step, o,
            operands(inout(piece::param), in(piece::grad), inout(piece::state(0)), inout(piece::state(1))));
    }
  }

 private:
  template <class Operands>
  static void whole(Pieces pieces, const Step& step, const AdamWOptions& o, const Operands& operands) {
    elementwise(pieces, step, operands, [&](const Numbers& at, auto real) {
      const auto moments = moments_of(o, real);
      const auto update = update_of(o, at, real);
      return [=](auto& p, auto g, auto& m, auto& v, auto&... top) {
        moments(g, m, v, top...);
        update(p, m, sqrt(last(v, top...)));
      };
    });
  }

  /// Moments, then torch's own root (a function of the value alone), then the update.
  static void as_torch(Pieces pieces, const Step& step, const AdamWOptions& o) {
    const auto moments = [&](const Numbers&, auto real) { return moments_of(o, real); };
    if (o.amsgrad) {
      elementwise(pieces, step,
                  operands(in(piece::grad), inout(piece::state(0)), inout(piece::state(1)), inout(piece::state(2))),
                  moments);
    } else {
      elementwise(pieces, step, operands(in(piece::grad), inout(piece::state(0)), inout(piece::state(1))), moments);
    }
    for (auto& piece : pieces) {
      const auto root = at::sqrt(piece.tensor(piece.state[o.amsgrad ? 2 : 1]));  // packed, as the state is
      kernels::View view;
      view.data = root.mutable_data_ptr();
      view.dtype = root.scalar_type();
      const std::span<const kernels::View> of_piece(&view, 1);
      elementwise(Pieces(&piece, 1), step,
                  operands(inout(piece::param), in(piece::state(0)), in(piece::extra(of_piece))),
                  [&](const Numbers& at, auto real) { return update_of(o, at, real); });
    }
  }

  template <class V>
  static V last(V v) {
    return v;
  }
  template <class V>
  static V last(V, V top) {
    return top;
  }
};

/// The roots of one parameter, where torch's are asked for.
std::int64_t scratch(std::int64_t out, std::int64_t in, Dtype work, const OptionValues& values, const Machine&) {
  return read_options<AdamWOptions>(values).arithmetic == Arithmetic::torch ? out * in * size_of(work) + 64 : 0;
}

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(adamw) {
  registry.add(describe_optimizer<AdamW, AdamWOptions>(
      {.name = "adamw",
       .doc = "Adam with decoupled weight decay.",
       .slots = {{.name = "exp_avg"}, {.name = "exp_avg_sq"}, {.name = "max_exp_avg_sq", .when = "amsgrad"}},
       .traits = {.unit = Unit::element, .master = true},
       .defaults = suggested,
       .scratch = scratch}));
}
