#include <ATen/ATen.h>

#include <cmath>

#include "core/plugin/elementwise.h"

namespace switchyard {
namespace {

struct SoapOptions {
  std::array<double, 2> betas = {0.9, 0.95};
  double shampoo_beta = 0.9;
  double eps = 1e-8;
  std::int64_t precondition_frequency = 10;
  double weight_decay = 0;
  DecayMode decay = DecayMode::decoupled;
};

constexpr auto describe(of<SoapOptions>) {
  return options(
      option("betas", &SoapOptions::betas, half_open(0, 1), "Decay rates of the averages of g and of its square."),
      option("shampoo_beta", &SoapOptions::shampoo_beta, half_open(0, 1), "Decay of the averages of g g^T and g^T g."),
      option("eps", &SoapOptions::eps, above(0), "Added to the root of the second average."),
      option("precondition_frequency", &SoapOptions::precondition_frequency, closed(1, 100000),
             "Steps between two computations of the eigenvectors."),
      option("weight_decay", &SoapOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
          .schedulable()
          .role(OptionRole::weight_decay),
      option("decay", &SoapOptions::decay, "What the weight decay is multiplied by.").role(OptionRole::decay_mode));
}

/// A side as large as this is left in its own coordinates.
constexpr std::int64_t largest_side = 256;
bool has_left(const OptionValues&, std::int64_t out, std::int64_t) { return out <= largest_side; }
bool has_right(const OptionValues&, std::int64_t, std::int64_t in) { return in <= largest_side; }

enum Slots : std::size_t { left, right, basis_left, basis_right, average, square };

/// Adam in the eigenbasis of Shampoo's factors: L <- b L + (1 - b) g g^T, R likewise; every k steps Q_L, Q_R become
/// their eigenvectors; u = Q_L (Adam of Q_L^T g Q_R) Q_R^T. Vyas et al., "SOAP", 2024.
class Soap final : public Optimizer {
 public:
  void begin(Pieces pieces, const Step& step) override {
    elementwise(pieces, step, operands(in(piece::grad), out(piece::work)),
                [](const Numbers&, auto) { return [](auto g, auto& u) { u = g; }; });
  }

  void transform(Stack& stack, const Step& step) override {
    const auto& o = step.options<SoapOptions>();
    for (std::int64_t b = 0; b < stack.size(); ++b) {
      const auto t = static_cast<double>(stack.count[static_cast<std::size_t>(b)]);
      const auto slot = [&](Slots which) {
        return stack.state[which].defined() ? stack.state[which].select(0, b) : at::Tensor();
      };
      const auto g = stack.work.select(0, b).to(at::kDouble);  // [out, in]
      const bool refresh = (stack.count[static_cast<std::size_t>(b)] - 1) % o.precondition_frequency == 0;
      const auto basis = [&](Slots factor, Slots vectors, const at::Tensor& x) {
        if (!slot(factor).defined()) return at::Tensor();
        const auto next = slot(factor).to(at::kDouble).mul_(o.shampoo_beta).add_(x.matmul(x.t()), 1 - o.shampoo_beta);
        slot(factor).copy_(next);
        if (refresh) slot(vectors).copy_(std::get<1>(at::linalg_eigh(next)));
        return slot(vectors).to(at::kDouble);
      };
      const auto q_left = basis(left, basis_left, g);         // [out, out]
      const auto q_right = basis(right, basis_right, g.t());  // [in, in]
      const auto turned = [&](at::Tensor x, bool back) {
        if (q_left.defined()) x = (back ? q_left : q_left.t()).matmul(x);
        if (q_right.defined()) x = x.matmul(back ? q_right.t() : q_right);
        return x;
      };
      const auto m = slot(average).to(at::kDouble).mul_(o.betas[0]).add_(g, 1 - o.betas[0]);
      slot(average).copy_(m);
      const auto v = slot(square).to(at::kDouble).mul_(o.betas[1]).add_(turned(g, false).square(), 1 - o.betas[1]);
      slot(square).copy_(v);
      const auto root = v.div(1 - std::pow(o.betas[1], t)).sqrt_().add_(o.eps);
      stack.work.select(0, b).copy_(turned(turned(m, false).div_(1 - std::pow(o.betas[0], t)).div_(root), true));
    }
  }

  void finish(Pieces pieces, const Step& step) override { apply_update(pieces, step); }
};

/// Double copies of the block and of both sides, and what the eigenvectors take.
std::int64_t scratch(std::int64_t out, std::int64_t in, Dtype, const OptionValues&, const Machine&) {
  const auto side = [](std::int64_t n) { return n <= largest_side ? 8 * n * n + 16 * n : 0; };
  return 8 * (10 * out * in + side(out) + side(in)) + 65536;
}

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(probe_soap) {
  registry.add(describe_optimizer<Soap, SoapOptions>(
      {.name = "probe_soap",
       .doc = "Probe: Adam in an eigenbasis that is computed every few steps.",
       .slots = {{.name = "left", .shape = SlotShape::out_by_out, .exists = has_left},
                 {.name = "right", .shape = SlotShape::in_by_in, .exists = has_right},
                 {.name = "basis_left", .shape = SlotShape::out_by_out, .exists = has_left, .identity = true},
                 {.name = "basis_right", .shape = SlotShape::in_by_in, .exists = has_right, .identity = true},
                 {.name = "average", .shape = SlotShape::block_matrix},
                 {.name = "square", .shape = SlotShape::block_matrix}},
       .traits = {.unit = Unit::matrix, .master = true},
       .scratch = scratch}));
}
