#include "core/plugin/optimizer.h"
#include "kernels/pointwise.h"

namespace switchyard {
namespace {

struct SgdOptions {
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;
  DecayMode decay = DecayMode::decoupled;
};

constexpr auto describe(of<SgdOptions>) {
  return options(
      option("momentum", &SgdOptions::momentum, half_open(0, 1),
             "mu of m <- mu m + (1 - dampening) g; 0 keeps no buffer.")
          .schedulable(),
      option("dampening", &SgdOptions::dampening, half_open(0, 1), "How much less a new gradient counts in the buffer.")
          .schedulable(),
      option("nesterov", &SgdOptions::nesterov, "Step along g + mu m instead of m."),
      option("weight_decay", &SgdOptions::weight_decay, at_least(0),
             "wd, decoupled from the gradient (torch's SGD adds it to the gradient).")
          .schedulable()
          .role(OptionRole::weight_decay),
      option("decay", &SgdOptions::decay, "What the weight decay is multiplied by.").role(OptionRole::decay_mode));
}

/// Stochastic gradient descent, with r() one rounding: g <- r(grad_scale g); m <- r(r(mu m) + r((1 - dampening) g)), m
/// = g at the first update; u = m, or r(g + r(mu m)) with Nesterov, or g without momentum; p <- r(r(p (1 - decay)) -
/// r(lr u)).
class Sgd final : public Optimizer {
 public:
  void finish(Pieces pieces, const Step& step) override {
    const auto& o = step.options<SgdOptions>();
    for (auto& piece : pieces) {
      const auto update = [&](auto x, std::int64_t n) {
        using C = typename decltype(x)::scalar;
        const auto gain = static_cast<C>(step.grad_scale);
        const auto keep = static_cast<C>(1 - piece.decay);
        const auto lr = static_cast<C>(piece.lr);
        const auto mu = static_cast<C>(o.momentum);
        const auto fresh = piece.count == 1 ? C{1} : static_cast<C>(1 - o.dampening);
        C* p = x[0];
        const C* grad = x[1];
        C* m = x[2];
        for (std::int64_t i = 0; i < n; ++i) {
          const C g = gain * grad[i];
          C u = g;
          if (m != nullptr) {
            m[i] = mu * m[i] + fresh * g;
            u = o.nesterov ? g + mu * m[i] : m[i];
          }
          p[i] = p[i] * keep - lr * u;
        }
      };
      const auto compute = kernels::compute_type(piece.param);
      if (piece.state.empty()) {
        kernels::pointwise(compute, {kernels::inout(piece.param), kernels::in(piece.grad)}, update);
      } else {
        kernels::pointwise(
            compute, {kernels::inout(piece.param), kernels::in(piece.grad), kernels::inout(piece.state[0])}, update);
      }
    }
  }
};

std::string check(const OptionValues& values) {
  const auto o = read_options<SgdOptions>(values);
  if (o.nesterov && (o.momentum == 0 || o.dampening != 0))
    return "`nesterov` needs a `momentum` above 0 and `dampening` 0";
  return "";
}

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(sgd) {
  registry.add(describe_optimizer<Sgd, SgdOptions>(
      {.name = "sgd",
       .doc = "Stochastic gradient descent with optional momentum and decoupled weight decay.",
       .slots = {{.name = "momentum", .when = "momentum"}},
       .traits = {.unit = Unit::element, .master = true},
       .check = check}));
}
