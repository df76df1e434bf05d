#include "core/run/composed_optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <doctest/doctest.h>

#include <cmath>

#include "tests/run/mixed_bench.h"

using namespace switchyard;
using conformance::first_difference;
using testing::same_bits;

TEST_CASE("composed: a step goes to every plugin, and counts each parameter") {
  const testing::Threads one(1);
  const MixedModel model;
  auto bench = model.bench();
  const auto start = bench.outcome();
  const auto result = bench.step(1);
  const auto after = bench.outcome();
  CHECK(result.applied);
  CHECK(result.nonfinite.empty());
  for (const auto& item : model.setup.items) {
    INFO(item.name);
    CHECK(same_bits(after.params.at(item.name), start.params.at(item.name)) == item.frozen);
    CHECK(bench.optimizer().count(item.name) == (item.frozen ? 0 : 1));
  }
  CHECK(bench.optimizer().applied_steps() == 1);
  CHECK_THROWS_AS(bench.optimizer().count("nobody"), OptimizerError);
}

TEST_CASE("composed: the gradient norm is that of all gradients, divided by loss scale and accumulation") {
  const testing::Threads one(1);
  MixedModel model(at::kDouble);
  model.setup.loss_scale = 8;
  auto bench = model.bench();
  bench.set_gradients(1);
  double sum = 0;
  for (const auto& named : bench.tensors()) {
    if (named.tensor.grad().defined()) sum += named.tensor.grad().square().sum().item<double>();
  }
  CHECK(bench.step(1).grad_norm == doctest::Approx(std::sqrt(sum) / 8).epsilon(1e-14));
}

TEST_CASE("composed: clipping uses one norm over all plugins, with the same bits for any ranks, threads and cuts") {
  MixedModel model;
  model.setup.clip = 0.7;
  model.setup.steps = 2;
  const auto alone = conformance::run(model.subject, model.setup);
  auto shards = model.setup;
  shards.sharded = true;
  std::vector<double> norms;
  for (const int ranks : {1, 2, 3, 4}) {
    shards.ranks = ranks;
    std::vector<double> seen(static_cast<std::size_t>(ranks));
    ThreadWorld world(ranks);
    world.run([&](Communicator& communicator) {
      conformance::Bench bench(model.subject, shards, &communicator);
      seen[static_cast<std::size_t>(communicator.rank())] = bench.step(1).grad_norm;
    });
    norms.insert(norms.end(), seen.begin(), seen.end());
    INFO("ranks ", ranks);
    CHECK(first_difference(conformance::run(model.subject, shards), alone) == "");
  }
  const testing::Threads two(2);
  auto bench = model.bench();
  norms.push_back(bench.step(1).grad_norm);
  for (const auto norm : norms) CHECK(norm == norms.front());
  CHECK(norms.front() > 0.7);
}

TEST_CASE("composed: clipping scales gradients by clip / norm") {
  const testing::Threads one(1);
  const auto registry = builtin_registry();
  const auto train = [&](double scale, std::optional<double> clip) {
    auto param = at::zeros({3}, at::kDouble).set_requires_grad(true);
    param.mutable_grad() = at::tensor({3.0, 0.0, 4.0}, at::kDouble) * scale;
    const std::vector<NamedTensor> tensors = {{"p", param}};
    Diagnostics diagnostics;
    auto plan = plan_from_groups({{.id = "g", .plugin = "sgd", .parameters = {"p"}}}, 1.0,
                                 table_from_tensors(tensors, diagnostics), registry, diagnostics);
    plan->gradients.clip_norm = clip;
    ComposedOptimizer optimizer(*plan, tensors, registry);
    optimizer.step();
    return param.detach();
  };
  CHECK(at::allclose(train(1, 0.5), at::tensor({-0.3, 0.0, -0.4}, at::kDouble), 1e-15, 0));
  CHECK(same_bits(train(1, 5.0), train(1, std::nullopt)));  // at the threshold: not touched
  CHECK(same_bits(train(1, 100.0), train(1, std::nullopt)));
  CHECK(train(0, 0.5).abs().max().item<double>() == 0);
}

TEST_CASE("composed: a closure runs exactly once, with gradients enabled, before the check") {
  const testing::Threads one(1);
  const MixedModel model;
  auto bench = model.bench();
  auto by_hand = model.bench();
  by_hand.step(1);
  int calls = 0;
  bool enabled = false;
  const c10::NoGradGuard outer;
  const auto result = bench.optimizer().step([&] {
    ++calls;
    enabled = c10::GradMode::is_enabled();
    bench.set_gradients(1);
    return at::tensor(2.5);
  });
  CHECK(calls == 1);
  CHECK(enabled);
  CHECK_FALSE(c10::GradMode::is_enabled());
  CHECK(result.applied);
  CHECK(result.loss.item<double>() == 2.5);
  CHECK(first_difference(bench.outcome(), by_hand.outcome()) == "");
}

TEST_CASE("composed: a closure that throws changes nothing, and its exception arrives as it is") {
  const testing::Threads one(1);
  const MixedModel model;
  auto bench = model.bench();
  bench.step(1);
  const auto before = bench.outcome();
  struct Odd {
    int value;
  };
  int caught = 0;
  try {
    bench.optimizer().step([&]() -> at::Tensor {
      bench.set_gradients(2);
      throw Odd{42};
    });
  } catch (const Odd& odd) {
    caught = odd.value;
  }
  CHECK(caught == 42);
  CHECK_THROWS_AS(bench.optimizer().step([]() -> at::Tensor { throw std::domain_error("no data"); }),
                  std::domain_error);
  CHECK(first_difference(bench.outcome(), before) == "");
  CHECK(bench.optimizer().applied_steps() == 1);
  CHECK_FALSE(bench.optimizer().poisoned());
  CHECK(bench.step(2).applied);
}

TEST_CASE("composed: on_nonfinite error throws with the names and changes nothing") {
  const testing::Threads one(1);
  const MixedModel model;
  const auto tensors = conformance::tensors_of(model.setup);
  auto plan = conformance::plan_of(model.subject, model.setup, tensors);
  plan.gradients.on_nonfinite = GradientPolicy::OnNonfinite::error;
  ComposedOptimizer optimizer(plan, tensors, model.registry);
  for (const auto& named : tensors) {
    if (named.tensor.requires_grad()) named.tensor.mutable_grad() = at::ones_like(named.tensor.detach());
  }
  tensors[2].tensor.mutable_grad().view(-1)[3] = NAN;
  tensors[4].tensor.mutable_grad().view(-1)[0] = INFINITY;
  const auto said = thrown_by([&] { optimizer.step(); });
  CHECK(said.find("embed.weight") != std::string::npos);
  CHECK(said.find("head.weight") != std::string::npos);
  CHECK(said.find("net.up") == std::string::npos);
  CHECK_FALSE(optimizer.poisoned());
  CHECK(optimizer.applied_steps() == 0);
  for (const auto& [name, value] : conformance::start_of(model.setup)) {
    for (const auto& named : tensors) {
      if (named.name == name) CHECK(same_bits(named.tensor.detach(), value));
    }
  }
}

TEST_CASE("composed: skips advance no schedule") {
  const testing::Threads one(1);
  MixedModel model;
  Schedule warmup;
  warmup.warmup = 4;
  model.setup.schedules = {{"lr", warmup}};
  auto clean = model.bench();
  clean.step(1);
  clean.step(2);
  auto bench = model.bench();
  bench.step(1);
  for (int i = 0; i < 5; ++i) {
    bench.set_gradients(2);
    bench.param("net.up.bias").mutable_grad()[0] = NAN;
    CHECK_FALSE(bench.optimizer().step().applied);
  }
  CHECK(bench.optimizer().skipped_steps() == 5);
  CHECK(bench.optimizer().group("of_muon").lr() == doctest::Approx(0.05 * 2 / 4));
  bench.step(2);
  CHECK(first_difference(bench.outcome(), clean.outcome()) == "");
}

TEST_CASE("composed: a loss scale must be a finite positive number") {
  const MixedModel model;
  auto bench = model.bench();
  bench.set_gradients(1);
  for (const double scale : {0.0, -1.0, double(NAN), double(INFINITY)}) {
    StepOptions options;
    options.loss_scale = scale;
    CHECK_THROWS_AS(bench.optimizer().step(options), OptimizerError);
  }
  CHECK(bench.optimizer().applied_steps() == 0);
}

TEST_CASE("composed: accumulated gradients divided by n equal their mean bit for bit") {
  const testing::Threads one(1);
  const MixedModel model;
  const auto train = [&](std::int64_t n) {
    const auto tensors = conformance::tensors_of(model.setup);
    auto plan = conformance::plan_of(model.subject, model.setup, tensors);
    plan.gradients.accumulation = n;
    ComposedOptimizer optimizer(plan, tensors, model.registry);
    std::map<std::string, at::Tensor> out;
    for (int step = 1; step <= 2; ++step) {
      for (const auto& named : tensors) {
        if (!named.tensor.requires_grad()) continue;
        // Multiples of 1/16: their sums are exact, so accumulation is the only difference.
        const auto one_batch = at::round(conformance::values_for(1, named.name, step, named.tensor.sizes().vec()) * 16)
                                   .div(16)
                                   .to(at::kFloat);
        named.tensor.mutable_grad() = one_batch * static_cast<double>(n);
      }
      optimizer.step();
    }
    for (const auto& named : tensors) out.emplace(named.name, named.tensor.detach().clone());
    return out;
  };
  const auto once = train(1);
  CHECK(first_difference(train(2), once) == "");
  CHECK(first_difference(train(4), once) == "");
}

TEST_CASE("composed: the first step names parameters that never had a gradient, once") {
  const testing::Threads one(1);
  MixedModel model;
  const auto tensors = conformance::tensors_of(model.setup);
  std::vector<std::string> warnings;
  RunOptions options;
  options.warn = [&](const std::string& text) { warnings.push_back(text); };
  ComposedOptimizer optimizer(conformance::plan_of(model.subject, model.setup, tensors), tensors, model.registry,
                              options);
  for (int step = 0; step < 2; ++step) {
    for (const auto& named : tensors) {
      if (named.tensor.requires_grad() && named.name != "head.mix")
        named.tensor.mutable_grad() = at::ones_like(named.tensor.detach());
    }
    optimizer.step();
  }
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("head.mix") != std::string::npos);
  CHECK(warnings[0].find("net.up") == std::string::npos);
}

TEST_CASE("composed: zero_grad drops all gradients") {
  const MixedModel model;
  auto bench = model.bench();
  bench.set_gradients(1);
  bench.optimizer().zero_grad();
  for (const auto& named : bench.tensors()) CHECK_FALSE(named.tensor.grad().defined());
}

// Covers P4, P9.
TEST_CASE("composed: tensors that do not fit the plan are all named at once") {
  const MixedModel model;
  const auto good = conformance::tensors_of(model.setup);
  const auto plan = conformance::plan_of(model.subject, model.setup, good);
  auto tensors = good;
  tensors[0].tensor = at::zeros({9, 6}).set_requires_grad(true);                    // shape
  tensors[1].tensor = at::zeros({5, 9}, at::kDouble).set_requires_grad(true);       // dtype
  tensors[2].name = "embedding.weight";                                             // name: missing and unknown
  tensors[3].tensor = at::zeros({1}).expand({9}).detach().set_requires_grad(true);  // shares memory with itself
  tensors[4].tensor = at::zeros({7, 13}).set_requires_grad(true) * 2;               // not a leaf
  tensors[5].tensor = at::Tensor();                                                 // undefined
  const auto said = thrown_by<InvalidParameterError>([&] { ComposedOptimizer(plan, tensors, model.registry); });
  for (const auto* name : {"net.up.weight", "net.down.weight", "`embed.weight`", "embedding.weight", "net.up.bias",
                           "head.weight", "head.mix"}) {
    INFO(said);
    CHECK(said.find(name) != std::string::npos);
  }
  RunOptions none;
  none.workspace = 0;
  CHECK_THROWS_AS(ComposedOptimizer(plan, good, model.registry, none), OptimizerError);
}

TEST_CASE("composed: an empty model is no error") {
  const auto registry = builtin_registry();
  ComposedOptimizer optimizer({}, 0.1, {}, registry);
  CHECK_FALSE(optimizer.step().applied);
  CHECK(optimizer.state().empty());
}
