#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "core/plugin/elementwise.h"
#include "tests/support/conformance.h"

/// The laws can fail: each is given a plugin that breaks it, and nothing else.

using namespace switchyard;

namespace {

enum class Fault : std::uint8_t {
  none,
  writes_gradient,
  ignores_scale,
  sees_position,
  idle_option,
  wrong_decay,
  moves_on_zero,
  counts_neighbours,
  hides_state,
  allocates
};

struct OffenderOptions {
  double momentum = 0.5;
  double weight_decay = 0;
};
constexpr auto describe(of<OffenderOptions>) {
  return options(
      option("momentum", &OffenderOptions::momentum, half_open(0, 1), "mu"),
      option("weight_decay", &OffenderOptions::weight_decay, at_least(0), "wd").role(OptionRole::weight_decay));
}

/// Heavy-ball SGD on blocks, with one thing wrong.
class Offender final : public Optimizer {
 public:
  explicit Offender(Fault fault = Fault::none) : fault_(fault) {}

  void begin(Pieces pieces, const Step& step) override {
    const auto& o = step.options<OffenderOptions>();
    ++calls_;
    const double undone = fault_ == Fault::ignores_scale ? 1 / static_cast<double>(step.grad_scale) : 1;
    const double decay_rate = fault_ == Fault::idle_option ? 0.5 : o.momentum;
    elementwise(pieces, step, operands(in(piece::grad), inout(piece::state(0)), out(piece::work)),
                [&](const Numbers&, auto real) {
                  const auto mu = real(decay_rate), scale = real(undone);
                  return [=](auto g, auto& m, auto& u) { u = m = mu * m + scale * g; };
                });
    for (auto& piece : pieces) {
      auto u = piece.tensor(piece.work);
      if (fault_ == Fault::writes_gradient) piece.tensor(piece.grad).mul_(0.5);
      if (fault_ == Fault::sees_position) u.mul_(1.0 + 1e-3 * static_cast<double>(piece.offset));
      if (fault_ == Fault::moves_on_zero) u.add_(1e-3);
      if (fault_ == Fault::hides_state) u.mul_(1.0 + 0.01 * calls_);
    }
  }
  void transform(Stack& stack, const Step&) override {
    if (fault_ == Fault::counts_neighbours) stack.work.mul_(1.0 + 0.01 * static_cast<double>(stack.size()));
    if (fault_ == Fault::allocates)
      stack.work.copy_(at::empty({40, stack.size(), stack.work.size(1), stack.work.size(2)}, stack.work.options())
                           .select(0, 1)
                           .copy_(stack.work));
  }
  void finish(Pieces pieces, const Step& step) override {
    const double wrong = step.options<OffenderOptions>().weight_decay;
    elementwise(pieces, step, operands(inout(piece::param), in(piece::work)), [&](const Numbers& at, auto real) {
      const auto keep = real(1 - (fault_ == Fault::wrong_decay ? wrong : at.decay)), lr = real(at.lr);
      return [=](auto& p, auto u) { p = p * keep - lr * u; };
    });
  }

 private:
  Fault fault_;
  int calls_ = 0;
};

void judge(Fault fault, void (*law)(const conformance::Subject&)) {
  auto registry = builtin_registry();
  auto descriptor =
      describe_optimizer<Offender, OffenderOptions>({.name = "offender",
                                                     .doc = "Wrong in one way.",
                                                     .slots = {{.name = "momentum"}},
                                                     .traits = {.unit = Unit::matrix, .scale_free = false}});
  descriptor.make = [fault] { return std::make_unique<Offender>(fault); };
  registry.add(std::move(descriptor));
  law(conformance::Subject(registry, *registry.find("offender")));
}

}  // namespace

TEST_CASE("conformance catches: nothing in a plugin without a fault") { judge(Fault::none, conformance::all_laws); }
TEST_CASE("conformance catches: a written gradient" * doctest::should_fail()) {
  judge(Fault::writes_gradient, conformance::gradients_are_never_written);
}
TEST_CASE("conformance catches: an ignored gradient scale" * doctest::should_fail()) {
  judge(Fault::ignores_scale, conformance::loss_scale_equals_scaled_gradients);
}
TEST_CASE("conformance catches: an ignored clip" * doctest::should_fail()) {
  judge(Fault::ignores_scale, conformance::clipping_changes_the_update);
}
TEST_CASE("conformance catches: work that depends on its place in a shard" * doctest::should_fail()) {
  judge(Fault::sees_position, conformance::ranks_change_no_bit);
}
TEST_CASE("conformance catches: an option without effect" * doctest::should_fail()) {
  judge(Fault::idle_option, conformance::every_option_has_an_effect);
}
TEST_CASE("conformance catches: decay without the learning rate" * doctest::should_fail()) {
  judge(Fault::wrong_decay, conformance::weight_decay_follows_its_formula);
}
TEST_CASE("conformance catches: movement without a gradient" * doctest::should_fail()) {
  judge(Fault::moves_on_zero, conformance::zero_gradient_moves_nothing);
}
TEST_CASE("conformance catches: a block that feels its neighbours" * doctest::should_fail()) {
  judge(Fault::counts_neighbours, conformance::neighbours_change_no_bit);
}
TEST_CASE("conformance catches: blocks that feel views' other parts" * doctest::should_fail()) {
  judge(Fault::counts_neighbours, conformance::views_equal_separate_parameters);
}
TEST_CASE("conformance catches: state outside the slots" * doctest::should_fail()) {
  judge(Fault::hides_state, conformance::failing_plugin_poisons);
}
TEST_CASE("conformance catches: a workspace that nobody printed" * doctest::should_fail()) {
  judge(Fault::allocates, conformance::memory_stays_within_the_printed_workspace);
}
