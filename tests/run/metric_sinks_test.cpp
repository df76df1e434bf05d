#include "core/run/metric_sinks.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <filesystem>
#include <stdexcept>

#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"
#include "tests/support/scratch.h"

/// A sink that fails is never a step's failure.

using namespace switchyard;

namespace {

/// Throws while `broken`; counts what it is given.
struct Fragile final : MetricSink {
  enum class In : std::uint8_t { nowhere, write, flush, odd } broken = In::nowhere;
  int written = 0;
  void write(const MetricRecord&) override {
    if (broken == In::write) throw std::runtime_error("out of ink");
    if (broken == In::odd) throw 7;
    ++written;
  }
  void flush() override {
    if (broken == In::flush) throw std::runtime_error("out of ink");
  }
};

struct Run {
  MixedModel model;
  std::vector<NamedTensor> tensors = conformance::tensors_of(model.setup);
  conformance::Bench gradients = model.bench();
  std::vector<std::string> warnings;
  std::unique_ptr<ComposedOptimizer> optimizer;

  explicit Run(std::vector<std::shared_ptr<MetricSink>> sinks, const std::string& path = "") {
    RunOptions options;
    options.sinks = std::move(sinks);
    options.warn = [this](const std::string& text) { warnings.push_back(text); };
    auto plan = conformance::plan_of(model.subject, model.setup, tensors);
    if (!path.empty()) plan.sinks = {{"jsonl", path, 1}};
    optimizer = std::make_unique<ComposedOptimizer>(plan, tensors, model.registry, options);
  }
  StepResult step(int number) {
    gradients.set_gradients(number);
    for (const auto& named : tensors) named.tensor.mutable_grad() = gradients.param(named.name).grad();
    return optimizer->step();
  }
};

}  // namespace

TEST_CASE("sinks: one that throws loses no step, is reported once, and is tried again") {
  const testing::Threads one(1);
  for (const auto how : {Fragile::In::write, Fragile::In::flush, Fragile::In::odd}) {
    const auto fragile = std::make_shared<Fragile>();
    const auto healthy = std::make_shared<Fragile>();
    Run run({fragile, healthy});
    auto clean = run.model.bench();
    fragile->broken = how;
    for (int step = 1; step <= 5; ++step) {
      CHECK(run.step(step).applied);
      clean.step(step);
    }
    CHECK(run.optimizer->applied_steps() == 5);
    for (const auto& named : run.tensors)
      CHECK(testing::same_bits(named.tensor.detach(), clean.param(named.name).detach()));
    CHECK(healthy->written == 5 * 5);
    REQUIRE(run.warnings.size() == 1);
    CHECK(run.warnings[0].find("sink 1") != std::string::npos);
    if (how != Fragile::In::odd) CHECK(run.warnings[0].find("out of ink") != std::string::npos);
    fragile->broken = Fragile::In::nowhere;
    const auto before = fragile->written;
    run.step(6);
    CHECK(fragile->written == before + 5);
    REQUIRE(run.warnings.size() == 2);
    CHECK(run.warnings[1].find("again, after 5 failures") != std::string::npos);
    run.step(7);
    CHECK(run.warnings.size() == 2);
  }
}

TEST_CASE("sinks: a failure that stays is told now and then, not in every step") {
  const auto fragile = std::make_shared<Fragile>();
  fragile->broken = Fragile::In::write;
  MetricSinks sinks;
  sinks.add(fragile, 1, "here");
  std::vector<std::int64_t> told;
  for (std::int64_t call = 1; call <= 1000; ++call)
    sinks.write(call, {{call, "", {}, {}}}, [&](const std::string&) { told.push_back(call); });
  CHECK((told == std::vector<std::int64_t>{1, 10, 100, 1000}));
}

TEST_CASE("sinks: a full disk stops no training") {
  if (!std::filesystem::exists("/dev/full")) return;
  const testing::Threads one(1);
  Run run({}, "/dev/full");
  for (int step = 1; step <= 3; ++step) CHECK(run.step(step).applied);
  REQUIRE(run.warnings.size() == 1);
  CHECK(run.warnings[0].find("/dev/full") != std::string::npos);
  CHECK(run.optimizer->applied_steps() == 3);
}

TEST_CASE("sinks: one that cannot be opened is an error before training") {
  const testing::Scratch scratch;
  CHECK(thrown_by([&] { Run run({}, scratch.path("nowhere") + "/m.jsonl"); }).find("nowhere") != std::string::npos);
}

TEST_CASE("sinks: one that calls step or save of its optimizer, and a warning that throws, end no step") {
  const testing::Threads one(1);
  struct Meddling final : MetricSink {
    ComposedOptimizer* optimizer = nullptr;
    std::string said;
    void write(const MetricRecord&) override {
      said = thrown_by([&] { optimizer->step(); });
    }
  };
  const auto meddling = std::make_shared<Meddling>();
  const auto fragile = std::make_shared<Fragile>();
  fragile->broken = Fragile::In::write;
  MixedModel model;
  auto tensors = conformance::tensors_of(model.setup);
  RunOptions options;
  options.sinks = {meddling, fragile};
  options.warn = [](const std::string&) { throw std::runtime_error("warnings are errors"); };
  ComposedOptimizer optimizer(conformance::plan_of(model.subject, model.setup, tensors), tensors, model.registry,
                              options);
  meddling->optimizer = &optimizer;
  for (const auto& named : tensors) {
    if (named.tensor.requires_grad()) named.tensor.mutable_grad() = at::ones_like(named.tensor.detach());
  }
  CHECK(optimizer.step().applied);
  CHECK(optimizer.applied_steps() == 1);
  CHECK(meddling->said.find("step()") != std::string::npos);
}
