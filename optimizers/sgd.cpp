#include "core/plugin/elementwise.h"

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

/// Stochastic gradient descent, with r() one rounding and g the scaled gradient: m <- r(r(mu m) + r((1 - dampening)
/// g)), m = g at the first update; u = m, or r(g + r(mu m)) with Nesterov, or g without momentum; p <- r(r(p (1 -
/// decay)) - r(lr u)).
class Sgd final : public Optimizer {
 public:
  void finish(Pieces pieces, const Step& step) override {
    const auto& o = step.options<SgdOptions>();
    if (o.momentum == 0) {
      elementwise(pieces, step, operands(inout(piece::param), in(piece::grad)), [](const Numbers& at, auto real) {
        const auto keep = real(1 - at.decay), lr = real(at.lr);
        return [=](auto& p, auto g) { p = p * keep - lr * g; };
      });
      return;
    }
    elementwise(pieces, step, operands(inout(piece::param), in(piece::grad), inout(piece::state(0))),
                [&](const Numbers& at, auto real) {
                  const auto keep = real(1 - at.decay), lr = real(at.lr), mu = real(o.momentum);
                  const auto fresh = real(at.count == 1 ? 1 : 1 - o.dampening);
                  return [=, nesterov = o.nesterov](auto& p, auto g, auto& m) {
                    m = mu * m + fresh * g;
                    p = p * keep - lr * select(nesterov, g + mu * m, m);
                  };
                });
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
