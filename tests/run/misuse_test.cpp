#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <optional>

#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"
#include "tests/support/scratch.h"

/// Calls that make no sense are errors that say so, before anything changes.

using namespace switchyard;
using conformance::first_difference;

namespace {

/// One parameter under sgd; warnings are kept.
struct Small {
  Registry registry = builtin_registry();
  at::Tensor weight = at::ones({3}).set_requires_grad(true);
  std::vector<std::string> warnings;
  std::optional<ComposedOptimizer> optimizer;
  Small() {
    RunOptions options;
    options.warn = [this](const std::string& text) { warnings.push_back(text); };
    optimizer.emplace(std::vector<ParameterGroup>{{.id = "g", .plugin = "sgd", .parameters = {"w"}}}, 0.5,
                      std::vector<NamedTensor>{{"w", weight}}, registry, options);
  }
};

}  // namespace

TEST_CASE("misuse: every call of an optimizer that was moved from is an error, not a crash") {
  const testing::Threads one(1);
  const testing::Scratch scratch;
  Small small;
  auto handle = small.optimizer->group("g");
  ComposedOptimizer moved(std::move(*small.optimizer));
  auto& empty = *small.optimizer;
  const std::vector<std::function<void()>> calls = {[&] { empty.step(); },
                                                    [&] { empty.step([] { return at::zeros({}); }); },
                                                    [&] { empty.step(StepOptions{}); },
                                                    [&] { empty.zero_grad(); },
                                                    [&] { empty.groups(); },
                                                    [&] { empty.group("g"); },
                                                    [&] { empty.set_lr(0.1); },
                                                    [&] {
                                                      empty.rebind(std::vector<NamedTensor>{{"w", small.weight}});
                                                    },
                                                    [&] { empty.save(scratch.path("c")); },
                                                    [&] { empty.load(scratch.path("c")); },
                                                    [&] { empty.state(); },
                                                    [&] { empty.snapshot(); },
                                                    [&] { empty.load_state(OptimizerState{}); },
                                                    [&] { empty.load_state(StateTensors{}); },
                                                    [&] { empty.plan(); },
                                                    [&] { empty.applied_steps(); },
                                                    [&] { empty.skipped_steps(); },
                                                    [&] { empty.count("w"); },
                                                    [&] { empty.peak_workspace(); },
                                                    [&] { empty.state_bytes(); },
                                                    [&] { empty.poisoned(); }};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    INFO("call ", i);
    CHECK(thrown_by(calls[i]).find("moved from") != std::string::npos);
  }
  // The new one works, and so does a handle that was made before.
  small.weight.mutable_grad() = at::ones({3});
  CHECK(moved.step().applied);
  handle.set_lr(0.25);
  CHECK(moved.group("g").lr() == 0.25);
}

TEST_CASE("misuse: a handle of a group whose optimizer is gone is an error, not a crash") {
  Small small;
  auto handle = small.optimizer->group("g");
  small.optimizer.reset();
  const std::vector<std::function<void()>> calls = {[&] { handle.id(); },         [&] { handle.plugin(); },
                                                    [&] { handle.parameters(); }, [&] { handle.options(); },
                                                    [&] { handle.lr(); },         [&] { handle.base_lr(); },
                                                    [&] { handle.set_lr(0.1); },  [&] { handle.set("momentum", 0.1); }};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    INFO("call ", i);
    CHECK(thrown_by(calls[i]).find("does not exist any more") != std::string::npos);
  }
}

TEST_CASE("misuse: a closure that calls step, save, load or rebind gets an error, and nothing changes") {
  const testing::Threads one(1);
  const testing::Scratch scratch;
  const MixedModel model;
  auto bench = model.bench();
  auto clean = model.bench();
  bench.step(1);
  clean.step(1);
  auto& optimizer = bench.optimizer();
  optimizer.save(scratch.path("c"));
  const auto snapshot = optimizer.snapshot();
  const auto before = bench.outcome();
  const auto files = testing::read_file(testing::index_of(scratch.path("c")));
  const std::vector<std::pair<std::string, std::function<void()>>> calls = {
      {"step()", [&] { optimizer.step(); }},
      {"save()", [&] { optimizer.save(scratch.path("d")); }},
      {"snapshot()", [&] { optimizer.snapshot(); }},
      {"load()", [&] { optimizer.load(scratch.path("c")); }},
      {"load_state()", [&] { optimizer.load_state(snapshot); }},
      {"rebind()", [&] { optimizer.rebind(bench.tensors()); }}};
  for (const auto& one_call : calls) {
    const auto& name = one_call.first;  // plain references: clang 14 cannot capture structured bindings
    const auto& call = one_call.second;
    bench.set_gradients(2);
    const auto said = thrown_by([&] {
      optimizer.step([&] {
        call();
        return at::zeros({});
      });
    });
    INFO(name, ": ", said);
    CHECK(said.find(name + " was called while step()") != std::string::npos);
    CHECK(first_difference(bench.outcome(), before) == "");
    CHECK(optimizer.applied_steps() == 1);
    CHECK_FALSE(optimizer.poisoned());
  }
  CHECK(testing::read_file(testing::index_of(scratch.path("c"))) == files);
  CHECK_FALSE(std::filesystem::exists(scratch.path("d")));
  // What closures are for still works: zero_grad, and groups.
  const auto result = optimizer.step([&] {
    optimizer.zero_grad();
    optimizer.group("of_muon").set_lr(optimizer.group("of_muon").base_lr());
    bench.set_gradients(2);
    return at::zeros({});
  });
  clean.step(2);
  CHECK(result.applied);
  CHECK(first_difference(bench.outcome(), clean.outcome()) == "");
}

TEST_CASE("misuse: steps without any gradient are told the first time and at every hundredth") {
  const testing::Threads one(1);
  Small small;
  for (int call = 1; call <= 250; ++call) CHECK_FALSE(small.optimizer->step().applied);
  REQUIRE(small.warnings.size() == 3);
  CHECK(small.warnings[0].find("no parameter had a gradient in call 1 of step()") != std::string::npos);
  CHECK(small.warnings[1].find("call 100 ") != std::string::npos);
  CHECK(small.warnings[2].find("call 200 ") != std::string::npos);
  CHECK(small.optimizer->applied_steps() == 0);
  small.weight.mutable_grad() = at::ones({3});
  CHECK(small.optimizer->step().applied);
  CHECK(small.warnings.size() == 3);
}
