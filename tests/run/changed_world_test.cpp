#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <doctest/doctest.h>

#include <cmath>

#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"

/// What callers do to their tensors between steps.

using namespace switchyard;
using conformance::first_difference;
using testing::same_bits;

namespace {

/// A bench after one step; `change` does something to the parameter "embed.weight"; the step must throw an E that names
/// it, and change nothing.
template <class E>
void step_refuses(const char* what, const std::function<void(conformance::Bench&, at::Tensor&)>& change,
                  const std::string& mention) {
  const testing::Threads one(1);
  const MixedModel model;
  auto bench = model.bench();
  bench.step(1);
  bench.set_gradients(2);
  change(bench, bench.param("embed.weight"));
  const auto before = bench.outcome();
  const auto said = thrown_by<E>([&] { bench.optimizer().step(); });
  INFO(what, ": ", said);
  CHECK(said.find("`embed.weight`") != std::string::npos);
  CHECK(said.find(mention) != std::string::npos);
  CHECK(first_difference(bench.outcome(), before) == "");
  CHECK(bench.optimizer().applied_steps() == 1);
  CHECK_FALSE(bench.optimizer().poisoned());
}

}  // namespace

// Covers P15, P16, P17, P18.
TEST_CASE("changed world: step names a parameter that is no longer the bound tensor") {
  using B = conformance::Bench;
  using T = at::Tensor;
  step_refuses<InvalidParameterError>(
      "set_data", [](B&, T& p) { p.set_data(p.detach().clone()); }, "memory");
  step_refuses<InvalidParameterError>(
      "dtype",
      [](B&, T& p) {
        p.mutable_grad().reset();
        p.set_data(p.detach().to(at::kDouble));
      },
      "dtype");
  step_refuses<InvalidParameterError>(
      "resize",
      [](B&, T& p) {
        p.mutable_grad().reset();
        p.set_data(at::zeros({12, 5}));
      },
      "shape");
  step_refuses<InvalidParameterError>(
      "strides", [](B&, T& p) { p.set_data(p.detach().t().contiguous().t()); }, "strides");
}

TEST_CASE("changed world: step names a gradient that cannot be used") {
  using B = conformance::Bench;
  using T = at::Tensor;
  step_refuses<InvalidParameterError>(
      "integer",
      [](B&, T& p) {
        p.mutable_grad().reset();
        p.unsafeGetTensorImpl()->mutable_grad() = at::ones({11, 5}, at::kLong);
      },
      "gradient");
  step_refuses<InvalidParameterError>(
      "complex",
      [](B&, T& p) {
        p.unsafeGetTensorImpl()->mutable_grad() = at::ones({11, 5}, at::kComplexFloat);
      },
      "gradient");
  step_refuses<InvalidParameterError>(
      "shape",
      [](B&, T& p) {
        p.unsafeGetTensorImpl()->mutable_grad() = at::ones({5, 11});
      },
      "shape");
  step_refuses<InvalidParameterError>(
      "own memory", [](B&, T& p) { p.mutable_grad() = p.detach(); }, "memory");
  step_refuses<SparseGradientError>(
      "sparse",
      [](B&, T& p) {
        p.unsafeGetTensorImpl()->mutable_grad() = at::ones({11, 5}).to_sparse();
      },
      "sparse");
  step_refuses<SparseGradientError>(
      "empty sparse",
      [](B&, T& p) {
        p.unsafeGetTensorImpl()->mutable_grad() = at::zeros({11, 5}).to_sparse();
      },
      "sparse");
}

TEST_CASE("changed world: a gradient of another floating dtype is read as it is") {
  const testing::Threads one(1);
  const MixedModel model;
  auto plain = model.bench();
  auto other = model.bench();
  for (int step = 1; step <= 2; ++step) {
    plain.set_gradients(step);
    other.set_gradients(step);
    for (const auto& named : plain.tensors()) {
      if (!named.tensor.grad().defined()) continue;
      const auto rounded = named.tensor.grad().to(at::kBFloat16);
      named.tensor.mutable_grad() = rounded.to(at::kFloat);
      other.param(named.name).unsafeGetTensorImpl()->mutable_grad() = step == 1 ? rounded : rounded.to(at::kDouble);
    }
    plain.optimizer().step();
    other.optimizer().step();
  }
  CHECK(first_difference(other.outcome(), plain.outcome()) == "");
}

// Covers P12.
TEST_CASE("changed world: a frozen parameter that becomes trainable asks for a new plan") {
  const testing::Threads one(1);
  const MixedModel model;
  auto bench = model.bench();
  bench.set_gradients(1);
  bench.param("table").set_requires_grad(true);
  const auto before = bench.outcome();
  const auto said = thrown_by<InvalidParameterError>([&] { bench.optimizer().step(); });
  CHECK(said.find("`table`") != std::string::npos);
  CHECK(said.find("new plan") != std::string::npos);
  CHECK(first_difference(bench.outcome(), before) == "");
  bench.param("table").set_requires_grad(false);
  CHECK(bench.optimizer().step().applied);
}

// Covers P13, P14.
TEST_CASE("changed world: rebind accepts moved tensors by name and goes on with the state") {
  const testing::Threads one(1);
  const MixedModel model(at::kBFloat16);
  auto clean = model.bench();
  for (int step = 1; step <= 3; ++step) clean.step(step);
  auto bench = model.bench();
  bench.step(1);
  for (const auto& named : bench.tensors()) named.tensor.set_data(named.tensor.detach().clone());
  bench.set_gradients(2);
  CHECK_THROWS_AS(bench.optimizer().step(), InvalidParameterError);
  auto shuffled = bench.tensors();
  std::reverse(shuffled.begin(), shuffled.end());
  bench.optimizer().rebind(shuffled);
  bench.optimizer().step();
  bench.step(3);
  CHECK(first_difference(bench.outcome(), clean.outcome()) == "");

  auto wrong = bench.tensors();
  wrong[0].tensor = at::zeros({4, 4}).set_requires_grad(true);
  wrong.pop_back();
  const auto said = thrown_by<InvalidParameterError>([&] { bench.optimizer().rebind(wrong); });
  CHECK(said.find("net.up.weight") != std::string::npos);
  CHECK(said.find("table") != std::string::npos);
  CHECK(bench.step(4).applied);  // the old binding still holds
}

TEST_CASE("changed world: a write from outside wins over the master, where it changed something") {
  const testing::Threads one(1);
  const auto registry = probed_registry();
  for (const auto* plugin : {"adamw", "muon", "probe_coded"}) {
    const conformance::Subject subject(registry, *registry.find(plugin));
    conformance::Setup setup;
    setup.seed = 701;
    setup.items = {{"w", {6, 10}, at::kBFloat16}};
    conformance::Bench bench(subject, setup);
    bench.step(1);
    auto master = bench.outcome().state.at("w/master");
    {
      const c10::NoGradGuard no_grad;
      bench.param("w")[2].fill_(3.0);                          // new values in one row
      bench.param("w")[3].copy_(bench.param("w")[3].clone());  // the same values in another
      bench.param("w").data()[4].fill_(-2.0);                  // a write that the version counter does not see
    }
    bench.set_gradients(2);
    bench.param("w").mutable_grad().zero_();
    bench.optimizer().group(std::string("of_") + plugin).set_lr(0);
    bench.optimizer().step();  // moves nothing: what is left is what the executor took for the parameter
    const auto after = bench.outcome();
    INFO(plugin);
    master[2].fill_(3.0);
    master[4].fill_(-2.0);
    CHECK(same_bits(after.state.at("w/master"), master));
    CHECK(same_bits(after.params.at("w"), master.to(at::kBFloat16)));
  }
}

TEST_CASE("changed world: a gradient on some ranks only is an error on all, before any change") {
  const MixedModel model;
  std::vector<std::string> said(2, "nothing");
  std::vector<std::string> changed(2, "");
  ThreadWorld world(2);
  world.run([&](Communicator& communicator) {
    auto bench = model.bench(&communicator);
    bench.step(1);
    const auto before = bench.outcome();
    bench.set_gradients(2);
    if (communicator.rank() == 1) bench.param("net.up.bias").mutable_grad().reset();
    const auto rank = static_cast<std::size_t>(communicator.rank());
    said[rank] = thrown_by<InvalidParameterError>([&] { bench.optimizer().step(); });
    changed[rank] = first_difference(bench.outcome(), before);
    bench.step(2);
  });
  for (const auto& text : said) CHECK(text.find("`net.up.bias`") != std::string::npos);
  for (const auto& text : changed) CHECK(text == "");
}

TEST_CASE("changed world: what keeps one rank from stepping stops all before any change, and the run goes on") {
  const MixedModel model;
  struct Reason {
    const char* what;
    std::function<StepResult(conformance::Bench&)> step;
    std::function<void(conformance::Bench&)> mend;
  };
  const auto nothing = [](conformance::Bench&) {};
  const std::vector<Reason> reasons = {
      {"the closure says no",
       [](conformance::Bench& bench) {
         return bench.optimizer().step([]() -> at::Tensor { throw std::runtime_error("the closure says no"); });
       },
       nothing},
      {"loss_scale is -1", [](conformance::Bench& bench) { return bench.optimizer().step({.loss_scale = -1}); },
       nothing},
      {"`embed.weight`",
       [](conformance::Bench& bench) {
         bench.param("embed.weight").set_data(bench.param("embed.weight").detach().clone());
         return bench.optimizer().step();
       },
       [](conformance::Bench& bench) { bench.optimizer().rebind(bench.tensors()); }},
  };
  std::vector<std::string> problems(3);
  ThreadWorld world(3);
  world.run([&](Communicator& communicator) {
    const auto rank = communicator.rank();
    auto& problem = problems[static_cast<std::size_t>(rank)];
    auto bench = model.bench(&communicator);
    bench.step(1);
    int number = 2;
    for (const auto& reason : reasons) {
      const auto before = bench.outcome();
      bench.set_gradients(number);
      std::string said = "nothing";
      try {
        if (rank == 1) {
          reason.step(bench);
        } else {
          bench.optimizer().step();
        }
      } catch (const CommunicatorError& error) {
        said = error.what();
        if (rank == 1 || error.rank() != 1) problem += "; not of rank 1: " + said;
      } catch (const std::exception& error) {
        said = error.what();
        if (rank != 1) problem += "; not a CommunicatorError: " + said;
      }
      if (said.find(reason.what) == std::string::npos) problem += "; said: " + said;
      problem += first_difference(bench.outcome(), before);
      if (rank == 1) reason.mend(bench);
      if (!bench.step(number++).applied) problem += "; not applied";
    }
  });
  for (const auto& problem : problems) CHECK(problem == "");
}

// Covers T9, T10.
TEST_CASE("changed world: tied tensors are one parameter, updated once, found under both names") {
  const testing::Threads one(1);
  const auto registry = builtin_registry();
  const auto make = [&](bool tied) {
    auto weight = conformance::values_for(9, "w", 0, {6, 4}).to(at::kFloat).set_requires_grad(true);
    std::vector<NamedTensor> tensors = {{"lm_head.weight", weight}};
    if (tied) tensors.push_back({"embed.weight", weight});
    ComposedOptimizer optimizer({{.id = "g", .plugin = "adamw", .parameters = {"lm_head.weight"}}}, 0.1, tensors,
                                registry);
    for (int step = 1; step <= 3; ++step) {
      weight.mutable_grad() = conformance::values_for(9, "w", step, {6, 4}).to(at::kFloat);
      optimizer.step();
    }
    CHECK(optimizer.plan().parameters.size() == 1);
    if (tied) {
      CHECK(optimizer.count("embed.weight") == 3);
      CHECK(optimizer.count("lm_head.weight") == 3);
      CHECK(optimizer.state().front().first.find("embed.weight/") == 0);  // the bytewise smallest name
    }
    return weight.detach();
  };
  CHECK(same_bits(make(true), make(false)));
  // In the plan one tensor, here two: refused.
  auto shared = at::zeros({6, 4}).set_requires_grad(true);
  const std::vector<NamedTensor> tensors = {{"a", shared}, {"b", shared}};
  Diagnostics diagnostics;
  const auto plan = plan_from_groups({{.id = "g", .plugin = "sgd", .parameters = {"a"}}}, 0.1,
                                     table_from_tensors(tensors, diagnostics), registry, diagnostics);
  REQUIRE(plan);
  const std::vector<NamedTensor> broken = {{"a", shared}, {"b", at::zeros({6, 4}).set_requires_grad(true)}};
  const auto said = thrown_by<InvalidParameterError>([&] { ComposedOptimizer(*plan, broken, registry); });
  CHECK(said.find("`a`") != std::string::npos);
  CHECK(said.find("`b`") != std::string::npos);
}

TEST_CASE("changed world: rebind places tensors anew, on host copies where they are needed and only there") {
  const auto registry = builtin_registry();
  const auto communicator = self_communicator();
  NamedTensor named;
  named.name = "w";
  named.tensor = at::arange(6, at::kFloat).set_requires_grad(true);
  Diagnostics diagnostics;
  const auto plan = plan_from_groups({{.id = "g", .plugin = "sgd", .parameters = {"w"}}}, 0.1,
                                     table_from_tensors({named}, diagnostics), registry, diagnostics);
  REQUIRE(plan);
  auto parameters = bind_parameters(*plan, {named}, registry, *communicator, /*host_copies=*/false);
  CHECK_FALSE(parameters[0].host.defined());
  // As if it had been moved to a device whose memory kernels cannot reach, and back.
  auto moved = named;
  moved.tensor = at::full({6}, 7.0).set_requires_grad(true);
  rebind_parameters(parameters, {moved}, 0, /*host_copies=*/true);
  REQUIRE(parameters[0].host.defined());
  CHECK(parameters[0].host.eq(7).all().item<bool>());
  rebind_parameters(parameters, {named}, 0, /*host_copies=*/false);
  CHECK_FALSE(parameters[0].host.defined());
}

TEST_CASE("changed world: a step after rebind works on the new tensors, whatever their layout") {
  const testing::Threads one(1);
  const MixedModel model;
  auto straight = model.bench();
  auto moved = model.bench();
  straight.step(1);
  moved.step(1);
  std::vector<NamedTensor> others = moved.tensors();
  for (auto& named : others) {
    auto turned = named.tensor.detach().clone();
    if (turned.dim() == 2) turned = turned.t().contiguous().t();
    named.tensor = turned.set_requires_grad(named.tensor.requires_grad());
  }
  moved.optimizer().rebind(others);
  straight.step(2);
  moved.set_gradients(2);
  for (std::size_t i = 0; i < others.size(); ++i) others[i].tensor.mutable_grad() = moved.tensors()[i].tensor.grad();
  CHECK(moved.optimizer().step().applied);
  for (std::size_t i = 0; i < others.size(); ++i)
    CHECK(same_bits(others[i].tensor.detach(), straight.tensors()[i].tensor.detach()));
}
