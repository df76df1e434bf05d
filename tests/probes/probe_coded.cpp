#include "core/plugin/elementwise.h"

namespace switchyard {
namespace {

struct CodedOptions {
  double momentum = 0.9;
  std::int64_t chunk = 32;
  double weight_decay = 0;
  DecayMode decay = DecayMode::decoupled;
};

constexpr auto describe(of<CodedOptions>) {
  return options(
      option("momentum", &CodedOptions::momentum, half_open(0, 1), "mu of m <- mu m + g.").schedulable(),
      option("chunk", &CodedOptions::chunk, closed(1, 4096), "Elements that share one absolute maximum."),
      option("weight_decay", &CodedOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
          .schedulable()
          .role(OptionRole::weight_decay),
      option("decay", &CodedOptions::decay, "What the weight decay is multiplied by.").role(OptionRole::decay_mode));
}

/// Heavy-ball momentum kept in one byte an element: m <- mu m + g; p <- p (1 - decay) - lr m; then m is coded for the
/// next step.
class Coded final : public Optimizer {
 public:
  void finish(Pieces pieces, const Step& step) override {
    const auto& o = step.options<CodedOptions>();
    elementwise(pieces, step, operands(inout(piece::param), in(piece::grad), inout(piece::state(0))),
                [&](const Numbers& at, auto real) {
                  const auto mu = real(o.momentum), keep = real(1 - at.decay), lr = real(at.lr);
                  return [=](auto& p, auto g, auto& m) {
                    m = mu * m + g;
                    p = p * keep - lr * m;
                  };
                });
  }
};

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(probe_coded) {
  registry.add(describe_optimizer<Coded, CodedOptions>(
      {.name = "probe_coded",
       .doc = "Probe: momentum in one byte an element.",
       .slots = {{.name = "momentum", .codec = "absmax_u8"}},
       .traits = {.unit = Unit::chunk, .chunk_option = "chunk", .master = true}}));
}
