#include "core/plugin/elementwise.h"

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

/// Lion: with r() one rounding and g the scaled gradient,
///   u = sign(r(r(b1 m) + r((1 - b1) g))), p <- r(r(p (1 - decay)) - r(lr u)), m <- r(r(b2 m) + r((1 - b2) g)).
/// sign(0) is 0. Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023.
class Lion final : public Optimizer {
 public:
  void finish(Pieces pieces, const Step& step) override {
    const auto& o = step.options<LionOptions>();
    elementwise(pieces, step, operands(inout(piece::param), in(piece::grad), inout(piece::state(0))),
                [&](const Numbers& at, auto real) {
                  const auto b1 = real(o.betas[0]), c1 = real(1 - o.betas[0]);
                  const auto b2 = real(o.betas[1]), c2 = real(1 - o.betas[1]);
                  const auto keep = real(1 - at.decay), lr = real(at.lr);
                  return [=](auto& p, auto g, auto& m) {
                    p = p * keep - lr * sign(b1 * m + c1 * g);
                    m = b2 * m + c2 * g;
                  };
                });
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
