#include <ATen/ATen.h>

#include <cmath>

#include "core/plugin/elementwise.h"

namespace switchyard {
namespace {

struct RowNormOptions {
  double momentum = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.05;
  DecayMode decay = DecayMode::decoupled;
};

constexpr auto describe(of<RowNormOptions>) {
  return options(
      option("momentum", &RowNormOptions::momentum, half_open(0, 1), "mu of m <- mu m + (1 - mu) g.").schedulable(),
      option("beta2", &RowNormOptions::beta2, half_open(0, 1), "Decay of each row's average of squares."),
      option("eps", &RowNormOptions::eps, above(0), "Added to the root of a row's average."),
      option("weight_decay", &RowNormOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
          .schedulable()
          .role(OptionRole::weight_decay),
      option("decay", &RowNormOptions::decay, "What the weight decay is multiplied by.").role(OptionRole::decay_mode));
}

/// v_r <- b2 v_r + (1 - b2) mean(m_r^2); u_r = m_r / (sqrt(v_r / (1 - b2^count)) + eps); u rescaled to the Frobenius
/// norm of m; p <- p (1 - decay) - lr u. The shape of NorMuon without the orthogonalization.
class RowNorm final : public Optimizer {
 public:
  void begin(Pieces pieces, const Step& step) override {
    const auto& o = step.options<RowNormOptions>();
    elementwise(pieces, step, operands(in(piece::grad), inout(piece::state(0)), out(piece::work)),
                [&](const Numbers&, auto real) {
                  const auto mu = real(o.momentum), fresh = real(1 - o.momentum);
                  return [=](auto g, auto& m, auto& u) { u = m = mu * m + fresh * g; };
                });
  }

  void transform(Stack& stack, const Step& step) override {
    const auto& o = step.options<RowNormOptions>();
    for (std::int64_t b = 0; b < stack.size(); ++b) {
      const auto m = stack.work.select(0, b).to(at::kDouble);  // [out, in]
      const auto v = stack.state[1].select(0, b);              // [out]
      const auto mean = v.to(at::kDouble).mul_(o.beta2).add_(m.square().mean(1), 1 - o.beta2);
      v.copy_(mean);
      const auto correction = 1 - std::pow(o.beta2, static_cast<double>(stack.count[static_cast<std::size_t>(b)]));
      const auto u = m.div(mean.div(correction).sqrt_().add_(o.eps).unsqueeze(1));  // [out, in]
      const auto before = m.square().sum().sqrt().item<double>();
      const auto after = u.square().sum().sqrt().item<double>();
      stack.work.select(0, b).copy_(u.mul(after > 0 ? before / after : 0.0));
    }
  }

  void finish(Pieces pieces, const Step& step) override { apply_update(pieces, step); }
};

/// Double copies: the block, a square or the result, the result rescaled; and a few rows.
std::int64_t scratch(std::int64_t out, std::int64_t in, Dtype, const OptionValues&, const Machine&) {
  return 8 * (3 * out * in + 5 * out) + 1024;
}

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(probe_row_norm) {
  registry.add(describe_optimizer<RowNorm, RowNormOptions>(
      {.name = "probe_row_norm",
       .doc = "Probe: a slot per row, and the whole block's norm.",
       .slots = {{.name = "momentum"}, {.name = "row_square", .shape = SlotShape::per_out_row}},
       .traits = {.unit = Unit::matrix, .master = true},
       .scratch = scratch}));
}
