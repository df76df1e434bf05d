/// What an author of a plugin writes to check it: this program is the example of docs/writing_a_plugin.md, and a test.
/// With an argument it does what goes wrong: a faulty plugin, or waivers that are not right.

#include <string>

#include "core/plugin/elementwise.h"
#include "tests/support/conformance.h"

namespace {

using namespace switchyard;

struct SignOptions {
  double momentum = 0.9;
  double weight_decay = 0;
};

constexpr auto describe(of<SignOptions>) {
  return options(option("momentum", &SignOptions::momentum, half_open(0, 1), "mu of m <- mu m + (1 - mu) g."),
                 option("weight_decay", &SignOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
                     .role(OptionRole::weight_decay));
}

/// signSGD with momentum: m <- mu m + (1 - mu) g; p <- p (1 - decay) - lr sign(m).
class SignMomentum final : public Optimizer {
 public:
  explicit SignMomentum(double fault = 0) : fault_(fault) {}
  void finish(Pieces pieces, const Step& step) override {
    const auto& o = step.options<SignOptions>();
    elementwise(pieces, step, operands(inout(piece::param), in(piece::grad), inout(piece::state(0))),
                [&](const Numbers& at, auto real) {
                  const auto mu = real(o.momentum), fresh = real(1 - o.momentum);
                  const auto keep = real(1 - at.decay), lr = real(at.lr), wrong = real(fault_);
                  return [=](auto& p, auto g, auto& m) {
                    m = mu * m + fresh * g;
                    p = p * keep - lr * (sign(m) + wrong);
                  };
                });
  }

 private:
  double fault_;
};

Registry with_plugin(double fault) {
  Registry registry = builtin_registry();
  auto descriptor = describe_optimizer<SignMomentum, SignOptions>(
      {.name = "sign_momentum",
       .doc = "The sign of a gradient average.",
       .slots = {{.name = "average"}},
       .traits = {.unit = Unit::element, .master = true, .scale_free = true}});
  descriptor.make = [fault] { return std::make_unique<SignMomentum>(fault); };
  registry.add(std::move(descriptor));
  return registry;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  const auto registry = with_plugin(how == "faulty" || how == "waived" ? 1e-3 : 0);
  std::vector<conformance::Waiver> waivers;
  if (how == "waived") waivers = {{"zero_gradient_moves_nothing", "sign_momentum", "the drift is on purpose"}};
  if (how == "waivers") {
    waivers = {{"loss_falls", "sign_momentum", "not needed: it holds"},
               {"los_falls", "sign_momentum", "a law that does not exist"},
               {"loss_falls", "sign_momentun", "a plugin that does not exist"},
               {"layout_changes_no_bit", "sign_momentum", ""}};
  }
  return conformance::check_plugins(registry, {"sign_momentum"}, waivers);
}
