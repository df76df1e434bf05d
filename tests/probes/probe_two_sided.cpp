#include <ATen/ATen.h>

#include <cmath>

#include "core/plugin/elementwise.h"

namespace switchyard {
namespace {

struct TwoSidedOptions {
  double beta = 0.9;
  bool left_only = false;
  double weight_decay = 0;
  DecayMode decay = DecayMode::decoupled;
};

constexpr auto describe(of<TwoSidedOptions>) {
  return options(
      option("beta", &TwoSidedOptions::beta, half_open(0, 1), "Decay of the averages.").schedulable(),
      option("left_only", &TwoSidedOptions::left_only, "Leave the right side alone."),
      option("weight_decay", &TwoSidedOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
          .schedulable()
          .role(OptionRole::weight_decay),
      option("decay", &TwoSidedOptions::decay, "What the weight decay is multiplied by.").role(OptionRole::decay_mode));
}

/// With g the gradient of length 1: L <- b L + (1 - b) g g^T, R <- b R + (1 - b) g^T g, u = (2 - L/|L|) g (2 - R/|R|),
/// divided by the root of its averaged mean square s; p <- p (1 - decay) - lr u. The slots of Shampoo with a
/// preconditioner that needs no root.
class TwoSided final : public Optimizer {
 public:
  void begin(Pieces pieces, const Step& step) override {
    elementwise(pieces, step, operands(in(piece::grad), out(piece::work)),
                [](const Numbers&, auto) { return [](auto g, auto& u) { u = g; }; });
  }

  void transform(Stack& stack, const Step& step) override {
    const auto& o = step.options<TwoSidedOptions>();
    for (std::int64_t b = 0; b < stack.size(); ++b) {
      const auto gradient = stack.work.select(0, b).to(at::kDouble);  // [out, in]
      const auto length = gradient.square().sum().sqrt().item<double>();
      if (length == 0) {
        stack.work.select(0, b).zero_();
        continue;
      }
      const auto g = gradient.div(length);  // [out, in]
      const auto average = [&](std::size_t slot, const at::Tensor& fresh) {
        const auto kept = stack.state[slot].select(0, b);
        const auto next = kept.to(at::kDouble).mul_(o.beta).add_(fresh, 1 - o.beta);
        kept.copy_(next);
        return next;
      };
      const auto side = [](const at::Tensor& gram) {
        return at::eye(gram.size(0), gram.options()).mul_(2).sub_(gram.div(gram.norm()));
      };
      const auto left = average(0, g.matmul(g.t()));   // [out, out]
      const auto right = average(1, g.t().matmul(g));  // [in, in]
      auto u = side(left).matmul(g);                   // [out, in]
      if (!o.left_only) u = u.matmul(side(right));
      const auto correction = 1 - std::pow(o.beta, static_cast<double>(stack.count[static_cast<std::size_t>(b)]));
      const auto mean = average(2, u.square().mean()).div(correction).item<double>();
      stack.work.select(0, b).copy_(u.div(std::sqrt(mean)));
    }
  }

  void finish(Pieces pieces, const Step& step) override { apply_update(pieces, step); }
};

/// Double copies: gradient, g, u and two products; both sides, each with its fresh gram, its identity and a quotient.
std::int64_t scratch(std::int64_t out, std::int64_t in, Dtype, const OptionValues&, const Machine&) {
  return 8 * (5 * out * in + 4 * out * out + 4 * in * in) + 1024;
}

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(probe_two_sided) {
  registry.add(
      describe_optimizer<TwoSided, TwoSidedOptions>({.name = "probe_two_sided",
                                                     .doc = "Probe: two square matrices and a number a block.",
                                                     .slots = {{.name = "left", .shape = SlotShape::out_by_out},
                                                               {.name = "right", .shape = SlotShape::in_by_in},
                                                               {.name = "mean_square", .shape = SlotShape::per_block}},
                                                     .traits = {.unit = Unit::matrix, .scale_free = true},
                                                     .scratch = scratch}));
}
