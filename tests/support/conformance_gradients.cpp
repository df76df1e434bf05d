#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "tests/kernels/values.h"
#include "tests/support/conformance.h"

/// What gradients may and may not do.
namespace switchyard::conformance {

namespace {

Setup usual(const Subject& subject, std::uint64_t seed) {
  Setup setup;
  setup.seed = seed;
  setup.items = small_items(subject);
  setup.options = lively_options(subject.descriptor);
  return setup;
}

/// State entries of one parameter.
std::map<std::string, at::Tensor> state_of(const Outcome& outcome, const std::string& parameter) {
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, tensor] : outcome.state) {
    if (name.compare(0, parameter.size() + 1, parameter + "/") == 0) out.emplace(name, tensor);
  }
  return out;
}

}  // namespace

void missing_gradient_is_inert(const Subject& subject) {
  const testing::Threads one(1);
  auto setup = usual(subject, 300);
  setup.missing = [](int step, std::size_t item) { return step == 2 && item == 1; };
  Bench bench(subject, setup);
  bench.step(1);
  const auto before = bench.outcome();
  const auto result = bench.step(2);
  const auto after = bench.outcome();
  const auto name = setup.items[1].name;
  INFO("plugin ", subject.descriptor.name);
  CHECK(result.applied);
  CHECK(testing::same_bits(after.params.at(name), before.params.at(name)));
  CHECK(first_difference(state_of(after, name), state_of(before, name)) == "");
  CHECK(bench.optimizer().count(name) == 1);
  CHECK(bench.optimizer().count(setup.items[0].name) == 2);
  CHECK_FALSE(bench.param(name).grad().defined());
  // No gradient anywhere: nothing is applied, t stays.
  auto none = setup;
  none.missing = [](int, std::size_t) { return true; };
  Bench idle(subject, none);
  const auto start = idle.outcome();
  CHECK_FALSE(idle.step(1).applied);
  CHECK(first_difference(idle.outcome(), start) == "");
  CHECK(idle.optimizer().applied_steps() == 0);
}

void zero_gradient_moves_nothing(const Subject& subject) {
  auto setup = usual(subject, 301);
  const auto* decay = subject.descriptor.table.with_role(OptionRole::weight_decay);
  if (decay != nullptr) *find_option(setup.options, decay->name) = 0.0;
  setup.gradient_scale = [](int) { return 0.0; };
  INFO("plugin ", subject.descriptor.name);
  CHECK(first_difference(run(subject, setup).params, start_of(setup)) == "");
}

void frozen_is_inert(const Subject& subject) {
  const testing::Threads one(1);
  auto setup = usual(subject, 302);
  setup.items[0].frozen = true;
  Bench bench(subject, setup);
  const auto& planned = setup.items[0].name;
  const auto& stopped = setup.items[1].name;
  const auto start = bench.outcome();
  INFO("plugin ", subject.descriptor.name);
  CHECK(state_of(start, planned).empty());
  bench.set_gradients(1);
  bench.param(planned).mutable_grad() = at::full_like(bench.param(planned).detach(), NAN);
  CHECK(bench.optimizer().step().applied);  // a frozen gradient has no say, whatever is in it
  CHECK(testing::same_bits(bench.outcome().params.at(planned), start.params.at(planned)));
  // Frozen while running: inert, state kept; then it goes on with its own count.
  const auto before = bench.outcome();
  bench.param(stopped).set_requires_grad(false);
  bench.step(2);
  const auto after = bench.outcome();
  CHECK(testing::same_bits(after.params.at(stopped), before.params.at(stopped)));
  CHECK(first_difference(state_of(after, stopped), state_of(before, stopped)) == "");
  bench.param(stopped).set_requires_grad(true);
  bench.step(3);
  CHECK(bench.optimizer().count(stopped) == 2);
  CHECK_FALSE(testing::same_bits(bench.outcome().params.at(stopped), before.params.at(stopped)));
}

void gradients_are_never_written(const Subject& subject) {
  const testing::Threads one(1);
  auto setup = usual(subject, 303);
  setup.clip = 0.1;
  setup.loss_scale = 8;
  Bench bench(subject, setup);
  for (int step = 1; step <= 2; ++step) {
    bench.step(step);
    Bench fresh(subject, setup);
    fresh.set_gradients(step);
    for (const auto& item : setup.items) {
      INFO("plugin ", subject.descriptor.name, ", ", item.name);
      CHECK(testing::same_bits(bench.param(item.name).grad(), fresh.param(item.name).grad()));
    }
  }
}

/// A 2-3-1 sigmoid net that learns AND from fixed weights; biases are a third input, since matrix plugins take no
/// vectors.
void loss_falls(const Subject& subject) {
  const testing::Threads one(1);
  const auto x = at::tensor({0., 0., 1., 0., 1., 1., 1., 0., 1., 1., 1., 1.}, at::kFloat).view({4, 3});
  const auto y = at::tensor({0., 0., 0., 1.}, at::kFloat).view({4, 1});
  Setup setup;
  setup.seed = 304;
  setup.items = {{"hidden", {3, 3}}, {"out", {1, 3}}};
  double best = INFINITY;
  for (const double lr : {1.0, 0.1, 0.01}) {
    setup.lr = lr;
    Bench bench(subject, setup);
    bench.param("hidden").detach().copy_(testing::portable(1, {3, 3}));
    bench.param("out").detach().copy_(testing::portable(2, {1, 3}));
    const auto loss = [&] {
      const auto hidden = at::sigmoid(x.matmul(bench.param("hidden").t()));  // [4, 3]
      return at::sigmoid(hidden.matmul(bench.param("out").t())).sub(y).square().mean();
    };
    const double first = loss().item<double>();
    for (int step = 0; step < 20; ++step) {
      bench.optimizer().step([&] {
        bench.optimizer().zero_grad();
        auto value = loss();
        value.backward();
        return value;
      });
    }
    best = std::min(best, loss().item<double>() / first);
  }
  INFO("plugin ", subject.descriptor.name);
  CHECK(best < 0.9);  // plain gradient descent reaches 0.58
}

void nonfinite_gradient_skips_the_whole_step(const Subject& subject) {
  const testing::Threads one(1);
  auto setup = usual(subject, 305);
  setup.items.push_back({"other", {4, 3}, at::kFloat, {}, subject.descriptor.name == "adamw" ? "sgd" : "adamw"});
  Bench clean(subject, setup);
  clean.step(1);
  clean.step(2);
  Bench bench(subject, setup);
  bench.step(1);
  std::int64_t skips = 0;
  for (const auto& item : setup.items) {
    for (const double bad : {NAN, INFINITY, -INFINITY}) {
      bench.set_gradients(2);
      auto gradient = bench.param(item.name).grad();
      gradient.view(-1)[gradient.numel() - 1] = bad;
      const auto before = bench.outcome();
      const auto result = bench.optimizer().step();
      INFO("plugin ", subject.descriptor.name, ", ", bad, " in ", item.name);
      CHECK_FALSE(result.applied);
      CHECK(result.nonfinite == std::vector<std::string>{item.name});
      CHECK_FALSE(std::isfinite(result.grad_norm));
      CHECK(first_difference(bench.outcome(), before) == "");
      CHECK(bench.optimizer().applied_steps() == 1);
      CHECK(bench.optimizer().skipped_steps() == ++skips);
      CHECK(bench.optimizer().count(item.name) == 1);
    }
  }
  bench.step(2);
  CHECK(first_difference(bench.outcome(), clean.outcome()) == "");

  // On one rank only: all ranks skip.
  auto shards = setup;
  shards.ranks = 2;
  shards.sharded = true;
  ThreadWorld world(2);
  std::vector<char> held(2, 0);
  world.run([&](Communicator& communicator) {
    Bench ranked(subject, shards, &communicator);
    const auto before = ranked.outcome();
    ranked.set_gradients(1);
    auto& gradient = ranked.param("b0").mutable_grad();
    if (gradient.defined() && (communicator.rank() == 1 || ranked.param("b0").size(0) == 6)) gradient.view(-1)[0] = NAN;
    const auto result = ranked.optimizer().step();
    const bool unchanged = first_difference(ranked.outcome(), before).empty();
    held[static_cast<std::size_t>(communicator.rank())] =
        !result.applied && unchanged && result.nonfinite == std::vector<std::string>{"b0"} ? 1 : 0;
  });
  CHECK(held == std::vector<char>{1, 1});
}

void gradient_scale_laws(const Subject& subject) {
  const bool free = subject.descriptor.traits.scale_free;
  Setup setup;
  setup.seed = 306;
  setup.items = small_items(subject, at::kDouble);
  const auto start = start_of(setup);
  const auto plain = run(subject, setup);
  const auto scaled = [&](double scale) {
    auto changed = setup;
    changed.gradient_scale = [scale](int) { return scale; };
    return run(subject, changed);
  };
  INFO("plugin ", subject.descriptor.name);
  if (free) {
    for (const double scale : {1e-6, 1e-3, 1e3}) {
      INFO("scale ", scale);
      CHECK(relative_movement(scaled(scale).params, plain.params, start) <=
            1e-9);  // float64 roundings, magnified by the iteration
    }
  } else {
    CHECK(relative_movement(scaled(1e3).params, plain.params, start) >= 1e-12);  // else the trait is understated
  }
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    setup.items = small_items(subject, dtype);
    for (const double scale : {1e-30, 1e19}) {
      INFO("scale ", scale, ", dtype ", c10::toString(dtype));
      auto extreme = setup;
      extreme.gradient_scale = [scale](int) { return scale; };
      for (const auto& [name, tensor] : run(subject, extreme).params) CHECK(at::isfinite(tensor).all().item<bool>());
    }
  }
}

void loss_scale_equals_scaled_gradients(const Subject& subject) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const double c : {0.25, 64.0}) {
      Setup setup;
      setup.seed = 307;
      setup.items = small_items(subject, dtype);
      setup.options = lively_options(subject.descriptor);
      auto scaled = setup;
      setup.gradient_scale = [c](int) { return c; };
      scaled.loss_scale = 1 / c;
      INFO("plugin ", subject.descriptor.name, ", c ", c, ", dtype ", c10::toString(dtype));
      CHECK(first_difference(run(subject, scaled), run(subject, setup)) == "");
    }
  }
}

}  // namespace switchyard::conformance
