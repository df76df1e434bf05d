#include "kernels/adamw.h"
#include "core/plugin/optimizer.h"

namespace switchyard {
namespace kernels {

constexpr auto describe(of<AdamWArithmetic>) {
  return choices(
      choice("fused", AdamWArithmetic::fused, "position-free: the same bits under any sharding; torch's fused kernel"),
      choice("torch", AdamWArithmetic::torch, "torch's default optimizer, with torch's own square root"));
}

}  // namespace kernels

namespace {

struct AdamWOptions {
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.01;
  DecayMode decay = DecayMode::decoupled;
  bool amsgrad = false;
  bool maximize = false;
  kernels::AdamWArithmetic arithmetic = kernels::AdamWArithmetic::fused;
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

/// AdamW: the formulas and bits of kernels/adamw.h. Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019.
class AdamW final : public Optimizer {
 public:
  void finish(Pieces pieces, const Step& step) override {
    const auto& o = step.options<AdamWOptions>();
    for (auto& piece : pieces) {
      const auto largest = o.amsgrad ? piece.state[2] : at::Tensor();
      kernels::adamw(piece.param, piece.grad, piece.state[0], piece.state[1], largest,
                     {.lr = piece.lr,
                      .beta1 = o.betas[0],
                      .beta2 = o.betas[1],
                      .eps = o.eps,
                      .decay = piece.decay,
                      .amsgrad = o.amsgrad,
                      .maximize = o.maximize,
                      .count = piece.count,
                      .grad_scale = step.grad_scale,
                      .arithmetic = o.arithmetic});
    }
  }
};

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(adamw) {
  registry.add(describe_optimizer<AdamW, AdamWOptions>(
      {.name = "adamw",
       .doc = "Adam with decoupled weight decay.",
       .slots = {{.name = "exp_avg"}, {.name = "exp_avg_sq"}, {.name = "max_exp_avg_sq", .when = "amsgrad"}},
       .traits = {.unit = Unit::element, .master = true},
       .defaults = suggested}));
}
