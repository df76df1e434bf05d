#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/plugin/optimizer.h"
#include "kernels/pointwise.h"

namespace switchyard {
namespace {

struct CodedOptions {
  double momentum = 0.9;
  std::int64_t run = 32;
  double weight_decay = 0;
  DecayMode decay = DecayMode::decoupled;
};

constexpr auto describe(of<CodedOptions>) {
  return options(
      option("momentum", &CodedOptions::momentum, half_open(0, 1), "mu of m <- mu m + g.").schedulable(),
      option("run", &CodedOptions::run, closed(1, 4096), "Elements that share one absolute maximum."),
      option("weight_decay", &CodedOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
          .schedulable()
          .role(OptionRole::weight_decay),
      option("decay", &CodedOptions::decay, "What the weight decay is multiplied by.").role(OptionRole::decay_mode));
}

/// Heavy-ball momentum kept in one byte an element: m = absmax (code - 128) / 127, absmax shared by a run.
/// m <- mu m + g; p <- p (1 - decay) - lr m; then m is coded for the next step.
class Coded final : public Optimizer {
 public:
  void finish(Pieces pieces, const Step& step) override {
    const auto& o = step.options<CodedOptions>();
    for (auto& piece : pieces) {
      const auto n = piece.param.numel();
      const auto compute = kernels::compute_type(piece.param);
      auto m = at::empty({n}, at::TensorOptions().dtype(at::kFloat));  // [n]
      auto* values = m.mutable_data_ptr<float>();
      auto* codes = piece.state[0].mutable_data_ptr<std::uint8_t>();
      auto* largest = piece.state[1].mutable_data_ptr<float>();
      for (std::int64_t i = 0; i < n; ++i)
        values[i] = largest[i / o.run] * (static_cast<float>(codes[i]) - 128.0F) / 127.0F;
      kernels::pointwise(at::kFloat, {kernels::in(piece.grad), kernels::inout(m)}, [&](auto x, std::int64_t count) {
        using C = typename decltype(x)::scalar;
        const auto gain = static_cast<C>(step.grad_scale);
        const auto mu = static_cast<C>(o.momentum);
        for (std::int64_t i = 0; i < count; ++i) x[1][i] = mu * x[1][i] + gain * x[0][i];
      });
      kernels::pointwise(compute, {kernels::inout(piece.param), kernels::in(m)}, [&](auto x, std::int64_t count) {
        using C = typename decltype(x)::scalar;
        const auto keep = static_cast<C>(1 - piece.decay);
        const auto lr = static_cast<C>(piece.lr);
        for (std::int64_t i = 0; i < count; ++i) x[0][i] = x[0][i] * keep - lr * x[1][i];
      });
      for (std::int64_t first = 0; first < n; first += o.run) {
        const auto last = std::min(n, first + o.run);
        float top = 0;
        for (auto i = first; i < last; ++i) top = std::max(top, std::abs(values[i]));
        largest[first / o.run] = top;
        for (auto i = first; i < last; ++i) {
          codes[i] = static_cast<std::uint8_t>(top > 0 ? 128 + std::lround(values[i] / top * 127.0F) : 128);
        }
      }
    }
  }
};

/// The decoded momentum.
std::int64_t scratch(std::int64_t out, std::int64_t in, Dtype, const OptionValues&, const Machine&) {
  return 4 * out * in + 64;
}

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(probe_coded) {
  registry.add(
      describe_optimizer<Coded, CodedOptions>({.name = "probe_coded",
                                               .doc = "Probe: momentum in one byte an element.",
                                               .slots = {{.name = "codes", .shape = SlotShape::code_u8, .initial = 128},
                                                         {.name = "absmax", .shape = SlotShape::per_run}},
                                               .traits = {.unit = Unit::run, .run_option = "run", .master = true},
                                               .scratch = scratch}));
}
