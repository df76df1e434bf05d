#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include "core/json.h"
#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"
#include "tests/support/scratch.h"

using namespace switchyard;

namespace {

struct Recording final : MetricSink {
  std::vector<MetricRecord> records;
  int flushes = 0;
  void write(const MetricRecord& record) override { records.push_back(record); }
  void flush() override { ++flushes; }
};

double value(const MetricRecord& record, const std::string& name) {
  for (const auto& [key, number] : record.values) {
    if (key == name) return number;
  }
  throw std::logic_error("no metric " + name);
}

/// A mixed model with a recording sink on one or several ranks; returns the records of rank 0.
std::vector<MetricRecord> record(const MixedModel& model, int ranks, bool sharded, int steps) {
  auto setup = model.setup;
  setup.ranks = ranks;
  setup.sharded = sharded;
  const auto sink = std::make_shared<Recording>();
  ThreadWorld world(ranks);
  world.run([&](Communicator& communicator) {
    conformance::Bench gradients(model.subject, setup, &communicator);
    const auto tensors = gradients.tensors();
    RunOptions options;
    options.communicator = &communicator;
    options.sinks = {sink};
    options.warn = [](const std::string&) {};
    ComposedOptimizer optimizer(conformance::plan_of(model.subject, setup, tensors), tensors, model.registry, options);
    for (int step = 1; step <= steps; ++step) {
      gradients.set_gradients(step);
      optimizer.step();
    }
  });
  CHECK(sink->flushes == steps);
  return sink->records;
}

}  // namespace

TEST_CASE("metrics: update and parameter RMS, norms and rates equal an independent computation") {
  const testing::Threads one(1);
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    MixedModel model(dtype);
    Schedule warmup;
    warmup.warmup = 2;
    model.setup.schedules = {{"lr", warmup}};
    model.setup.missing = [](int step, std::size_t item) { return step == 2 && item == 0; };
    auto bench = model.bench();
    const auto records = record(model, 1, false, 2);
    std::size_t at = 0;
    for (int step = 1; step <= 2; ++step) {
      const auto before = bench.outcome().params;
      bench.set_gradients(step);
      std::map<std::string, double> squares;
      for (const auto& named : bench.tensors()) {
        if (named.tensor.grad().defined())
          squares[named.name] = named.tensor.grad().to(at::kDouble).square().sum().item<double>();
      }
      const auto result = bench.optimizer().step();
      const auto after = bench.outcome().params;
      const auto& whole = records.at(at++);
      CHECK(whole.step == step);
      CHECK(whole.group == "");
      CHECK(value(whole, "applied") == 1);
      CHECK(value(whole, "grad_norm") == result.grad_norm);
      CHECK(value(whole, "params_without_grad") == (step == 2 ? 1 : 0));
      for (auto group : bench.optimizer().groups()) {
        const auto& record_of = records.at(at++);
        INFO("dtype ", c10::toString(dtype), ", step ", step, ", group ", group.id());
        CHECK(record_of.group == group.id());
        double update = 0;
        double weight = 0;
        double gradient = 0;
        std::int64_t elements = 0;
        for (const auto& name : group.parameters()) {
          if (squares.count(name) == 0) continue;
          // With a master, what moved is the master; the stored value is its rounding.
          const auto new_value = after.at(name).to(at::kDouble);
          update += new_value.sub(before.at(name).to(at::kDouble)).square().sum().item<double>();
          weight += new_value.square().sum().item<double>();
          gradient += squares.at(name);
          elements += new_value.numel();
        }
        const auto n = static_cast<double>(elements);
        // bfloat16 parameters are measured by their float32 masters: the rounding of the stored ones is what lies
        // between.
        const double tolerance = dtype == at::kBFloat16 ? 0.1 : 1e-6;
        CHECK(value(record_of, "update_rms") == doctest::Approx(std::sqrt(update / n)).epsilon(tolerance));
        CHECK(value(record_of, "param_rms") == doctest::Approx(std::sqrt(weight / n)).epsilon(tolerance));
        CHECK(value(record_of, "update_to_weight") ==
              doctest::Approx(value(record_of, "update_rms") / value(record_of, "param_rms")));
        CHECK(value(record_of, "grad_norm") == doctest::Approx(std::sqrt(gradient)).epsilon(1e-12));
        CHECK(value(record_of, "lr") == (group.id() == "of_muon" ? 0.05 * step / 2 : 0.05));
      }
    }
    CHECK(at == records.size());
  }
}

TEST_CASE("metrics: the same numbers to the bit for any ranks and shards") {
  const MixedModel model;
  const testing::Threads one(1);
  const auto alone = record(model, 1, false, 2);
  for (const int ranks : {2, 3}) {
    for (const bool sharded : {false, true}) {
      const auto records = record(model, ranks, sharded, 2);
      REQUIRE(records.size() == alone.size());
      for (std::size_t i = 0; i < records.size(); ++i) {
        INFO("ranks ", ranks, sharded ? ", sharded" : "", ", record ", i, " of group ", records[i].group);
        CHECK((records[i].values == alone[i].values));
      }
    }
  }
}

TEST_CASE("metrics: measuring changes no bit of the model") {
  const testing::Threads one(1);
  const MixedModel model(at::kBFloat16);
  auto plain = model.bench();
  plain.step(1);
  auto tensors = conformance::tensors_of(model.setup);
  RunOptions options;
  options.sinks = {std::make_shared<Recording>()};
  options.workspace = 64;  // measured a piece at a time
  ComposedOptimizer optimizer(conformance::plan_of(model.subject, model.setup, tensors), tensors, model.registry,
                              options);
  auto gradients = model.bench();
  gradients.set_gradients(1);
  for (const auto& named : tensors) named.tensor.mutable_grad() = gradients.param(named.name).grad();
  optimizer.step();
  for (const auto& named : tensors) CHECK(testing::same_bits(named.tensor.detach(), plain.param(named.name).detach()));
}

TEST_CASE("metrics: a skipped step is reported with its reason, and nothing about updates") {
  const testing::Threads one(1);
  const MixedModel model;
  const auto sink = std::make_shared<Recording>();
  auto tensors = conformance::tensors_of(model.setup);
  RunOptions options;
  options.sinks = {sink};
  ComposedOptimizer optimizer(conformance::plan_of(model.subject, model.setup, tensors), tensors, model.registry,
                              options);
  for (const auto& named : tensors) {
    if (named.tensor.requires_grad()) named.tensor.mutable_grad() = at::ones_like(named.tensor.detach());
  }
  tensors[2].tensor.mutable_grad().view(-1)[0] = NAN;
  optimizer.step();
  REQUIRE(sink->records.size() == 5);
  CHECK(value(sink->records[0], "applied") == 0);
  CHECK(value(sink->records[0], "skipped_steps") == 1);
  CHECK(std::isnan(value(sink->records[0], "grad_norm")));
  CHECK((sink->records[0].texts == std::vector<std::pair<std::string, std::string>>{{"nonfinite", "embed.weight"}}));
  CHECK_THROWS(value(sink->records[1], "update_rms"));
}

TEST_CASE("metrics: the jsonl sink of a plan writes every n-th step, one JSON object a line") {
  const testing::Threads one(1);
  const testing::Scratch scratch;
  const MixedModel model;
  auto tensors = conformance::tensors_of(model.setup);
  auto plan = conformance::plan_of(model.subject, model.setup, tensors);
  plan.sinks = {{"jsonl", scratch.path("m.jsonl"), 2}};
  ComposedOptimizer optimizer(plan, tensors, model.registry);
  auto gradients = model.bench();
  for (int step = 1; step <= 5; ++step) {
    gradients.set_gradients(step);
    for (const auto& named : tensors) named.tensor.mutable_grad() = gradients.param(named.name).grad();
    optimizer.step();
  }
  std::istringstream lines(testing::read_file(scratch.path("m.jsonl")));
  std::vector<Json> records;
  for (std::string line; std::getline(lines, line);) {
    Diagnostics diagnostics;
    auto json = parse_json(line, "m.jsonl", diagnostics);
    REQUIRE(json);
    records.push_back(std::move(*json));
  }
  REQUIRE(records.size() == 1 + 2 * 5);
  CHECK(records[0].find("switchyard_metrics")->as_int() == 1);
  for (std::size_t i = 1; i < records.size(); ++i) {
    CHECK(records[i].find("step")->as_int() == (i <= 5 ? 2 : 4));
    CHECK(records[i].find("group")->is(Json::Kind::string));
  }
}
