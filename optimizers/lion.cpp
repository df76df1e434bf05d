#include "core/plugin/optimizer.h"
#include "kernels/pointwise.h"

namespace switchyard {
namespace {

struct LionOptions {
  std::array<double, 2> betas = {0.9, 0.99};
  double weight_decay = 0;
  DecayMode decay = DecayMode::decoupled;
};

constexpr auto describe(of<LionOptions>) {
  return options(
      option("betas", &LionOptions::betas, half_open(0, 1),
             "How much of the average m enters the direction, and how much of it is kept."),
      option("weight_decay", &LionOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
          .schedulable()
          .role(OptionRole::weight_decay),
      option("decay", &LionOptions::decay, "What the weight decay is multiplied by.").role(OptionRole::decay_mode));
}

constexpr const char* suggested = R"json({
  "switchyard": 1,
  "description": "Lion for whatever no rule gives to another optimizer; its steps have one size, so the learning rate is a third of AdamW's and the decay that much larger.",
  "optimizers": {
    "lion": {"plugin": "lion", "lr": 0.0001, "options": {"weight_decay": 0.1}}
  },
  "rules": [
    {"id": "lion-vectors", "match": {"ndim": "<=1"}, "use": "lion", "set": {"wd_scale": 0}, "optional": true,
     "note": "Norms, gains and biases have no second axis and are not pulled to zero."}
  ],
  "fallback": "lion"
})json";

/// Lion: with r() one rounding and g <- r(grad_scale g),
///   u = sign(r(r(b1 m) + r((1 - b1) g))), p <- r(r(p (1 - decay)) - r(lr u)), m <- r(r(b2 m) + r((1 - b2) g)).
/// sign(0) is 0. Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023.
class Lion final : public Optimizer {
 public:
  void finish(Pieces pieces, const Step& step) override {
    const auto& o = step.options<LionOptions>();
    for (auto& piece : pieces) {
      kernels::pointwise(kernels::compute_type(piece.param),
                         {kernels::inout(piece.param), kernels::in(piece.grad), kernels::inout(piece.state[0])},
                         [&](auto x, std::int64_t n) {
                           using C = typename decltype(x)::scalar;
                           const auto gain = static_cast<C>(step.grad_scale);
                           const auto keep = static_cast<C>(1 - piece.decay);
                           const auto lr = static_cast<C>(piece.lr);
                           const auto old_part = static_cast<C>(o.betas[0]);
                           const auto new_part = static_cast<C>(1 - o.betas[0]);
                           const auto old_kept = static_cast<C>(o.betas[1]);
                           const auto new_kept = static_cast<C>(1 - o.betas[1]);
                           C* p = x[0];
                           const C* grad = x[1];
                           C* m = x[2];
                           for (std::int64_t i = 0; i < n; ++i) {
                             const C g = gain * grad[i];
                             const C direction = old_part * m[i] + new_part * g;
                             const C sign = static_cast<C>((direction > 0) - (direction < 0));
                             p[i] = p[i] * keep - lr * sign;
                             m[i] = old_kept * m[i] + new_kept * g;
                           }
                         });
    }
  }
};

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(lion) {
  registry.add(
      describe_optimizer<Lion, LionOptions>({.name = "lion",
                                             .doc = "The sign of a gradient average, with decoupled weight decay.",
                                             .slots = {{.name = "exp_avg"}},
                                             .traits = {.unit = Unit::element, .master = true, .scale_free = true},
                                             .defaults = suggested}));
}
