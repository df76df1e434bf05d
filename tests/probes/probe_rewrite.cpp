#include <ATen/ATen.h>

#include "core/plugin/elementwise.h"

namespace switchyard {
namespace {

struct RewriteOptions {
  double momentum = 0.9;
  ShapeScale scale = ShapeScale::none;
  double weight_decay = 0;
};

constexpr auto describe(of<RewriteOptions>) {
  return options(
      option("momentum", &RewriteOptions::momentum, half_open(0, 1), "mu of m <- mu m + g.").schedulable(),
      option("scale", &RewriteOptions::scale, "Factor of a block's update by its shape.").role(OptionRole::shape_scale),
      option("weight_decay", &RewriteOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
          .schedulable()
          .role(OptionRole::weight_decay));
}

/// W <- W (1 - decay) - lr c (m - W <W, m> / <W, W>): the part of m that turns W, c the shape scale. The owner sees
/// everything: parameter, rate and the momentum, which lives in a matrix slot of the owner.
class Rewrite final : public Optimizer {
 public:
  void begin(Pieces pieces, const Step& step) override {
    elementwise(pieces, step, operands(in(piece::grad), out(piece::work)),
                [](const Numbers&, auto) { return [](auto g, auto& u) { u = g; }; });
  }

  void transform(Stack& stack, const Step& step) override {
    const auto& o = step.options<RewriteOptions>();
    for (std::int64_t b = 0; b < stack.size(); ++b) {
      const auto at = static_cast<std::size_t>(b);
      const auto g = stack.work.select(0, b).clone();   // [out, in]
      const auto w = stack.param.select(0, b).clone();  // [out, in]
      const auto m = stack.state[0].select(0, b).clone().mul_(o.momentum).add_(g);
      stack.state[0].select(0, b).copy_(m);
      const auto length = w.to(at::kDouble).square().sum().item<double>();
      const auto along = w.to(at::kDouble).mul(m.to(at::kDouble)).sum().item<double>();
      const auto turn = m.sub(w, length > 0 ? along / length : 0.0);  // [out, in]
      stack.work.select(0, b).copy_(w.mul(1 - stack.decay[at]).sub_(turn, stack.lr[at] * stack.scale[at]));
    }
  }

  void finish(Pieces pieces, const Step&) override {
    for (auto& piece : pieces) piece.parameter().copy_(piece.tensor(piece.work));
  }
};

/// Gradient, parameter and momentum, and three copies in double precision for the dot product.
std::int64_t scratch(std::int64_t out, std::int64_t in, Dtype work, const OptionValues&, const Machine&) {
  return out * in * (3 * size_of(work) + 3 * 8) + 1024;
}

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(probe_rewrite) {
  registry.add(describe_optimizer<Rewrite, RewriteOptions>(
      {.name = "probe_rewrite",
       .doc = "Probe: the complete phase makes the new parameter.",
       .slots = {{.name = "momentum", .shape = SlotShape::block_matrix}},
       .traits = {.unit = Unit::matrix, .needs_param = true, .needs_lr = true, .master = true},
       .scratch = scratch}));
}
