#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"
#include "tests/support/scratch.h"

/// State in memory: the same checks as a checkpoint's, and the same run afterwards.

using namespace switchyard;
using conformance::first_difference;
using testing::Scratch;

namespace {

MixedModel lively_model(at::ScalarType dtype = at::kFloat) {
  MixedModel model(dtype);
  Schedule warmup;
  warmup.warmup = 6;
  model.setup.schedules = {{"lr", warmup}};
  model.setup.missing = [](int step, std::size_t item) { return item == 1 && step == 2; };
  return model;
}

void copy_params(conformance::Bench& to, conformance::Bench& from) {
  for (const auto& named : to.tensors()) named.tensor.detach().copy_(from.param(named.name).detach());
}

StateTensors without(StateTensors tensors, const std::string& name) {
  std::erase_if(tensors, [&](const auto& one) { return one.first == name; });
  return tensors;
}

StateTensors with(StateTensors tensors, const std::string& name, const at::Tensor& tensor) {
  for (auto& [one, value] : tensors) {
    if (one == name) value = tensor;
  }
  return tensors;
}

}  // namespace

TEST_CASE("load_state: a snapshot goes on bit for bit, with steps, skips, rates and options") {
  const testing::Threads one(1);
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    const auto model = lively_model(dtype);
    auto source = model.bench();
    source.optimizer().group("of_muon").set("momentum", 0.5);
    source.optimizer().group("of_adamw").set_lr(0.007);
    for (int step = 1; step <= 3; ++step) source.step(step);
    source.set_gradients(4);
    source.param("embed.weight").mutable_grad().view(-1)[0] = NAN;
    source.optimizer().step();  // skipped
    const auto snapshot = source.optimizer().snapshot();
    auto other = model.bench();
    CHECK(other.optimizer().load_state(snapshot).notes.empty());
    copy_params(other, source);
    CHECK(other.optimizer().applied_steps() == 3);
    CHECK(other.optimizer().skipped_steps() == 1);
    CHECK(other.optimizer().plan().plan_hash == source.optimizer().plan().plan_hash);
    for (int step = 4; step <= 6; ++step) {
      source.step(step);
      other.step(step);
    }
    CHECK(first_difference(other.outcome(), source.outcome()) == "");
    // A snapshot is a copy: the source has gone on, and it still loads as it was.
    other.optimizer().load_state(snapshot);
    CHECK(other.optimizer().applied_steps() == 3);
  }
}

TEST_CASE("load_state: a snapshot says what a checkpoint of the same moment says") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto model = lively_model();
  auto source = model.bench();
  source.step(1);
  source.step(2);
  source.optimizer().save(scratch.path("a"));
  auto other = model.bench();
  other.optimizer().load_state(source.optimizer().snapshot());
  other.optimizer().save(scratch.path("b"));
  for (const auto* file : {"/index.json"})
    CHECK(testing::read_file(scratch.path("a") + file) == testing::read_file(scratch.path("b") + file));
  CHECK(testing::read_file(testing::data_of(scratch.path("a"))) ==
        testing::read_file(testing::data_of(scratch.path("b"))));
}

TEST_CASE("load_state: tensors alone restore state and counts; applied steps are the largest count") {
  const testing::Threads one(1);
  const auto model = lively_model();
  auto source = model.bench();
  for (int step = 1; step <= 3; ++step) source.step(step);
  auto other = model.bench();
  const auto report = other.optimizer().load_state(source.optimizer().state());
  REQUIRE(report.notes.size() == 1);
  CHECK(report.notes[0].find("3 steps") != std::string::npos);
  CHECK(other.optimizer().applied_steps() == 3);
  CHECK(other.optimizer().count("net.down.weight") == 2);
  copy_params(other, source);
  source.step(4);
  other.step(4);
  CHECK(first_difference(other.outcome(), source.outcome()) == "");
}

TEST_CASE("load_state: on several ranks what rank 0 gives is what all take") {
  for (const bool sharded : {false, true}) {
    for (const bool whole : {true, false}) {
      auto model = lively_model();
      model.setup.ranks = 3;
      model.setup.sharded = sharded;
      std::vector<std::string> different(3);
      ThreadWorld world(3);
      world.run([&](Communicator& communicator) {
        auto source = model.bench(&communicator);
        for (int step = 1; step <= 3; ++step) source.step(step);
        const auto snapshot = source.optimizer().snapshot();
        CHECK(snapshot.tensors.empty() == (communicator.rank() != 0));
        auto other = model.bench(&communicator);
        if (whole) {
          other.optimizer().load_state(snapshot);
        } else {
          other.optimizer().load_state(snapshot.tensors);
        }
        copy_params(other, source);
        source.step(4);
        other.step(4);
        different[static_cast<std::size_t>(communicator.rank())] = first_difference(other.outcome(), source.outcome());
      });
      for (const auto& text : different) CHECK(text == "");
    }
  }
}

TEST_CASE("load_state: what does not fit is refused with its name, on all ranks, and nothing changes") {
  const auto model = lively_model();
  for (const int ranks : {1, 2}) {
    ThreadWorld world(ranks);
    world.run([&](Communicator& communicator) {
      auto source = model.bench(&communicator);
      source.step(1);
      auto live = model.bench(&communicator);
      for (int step = 1; step <= 2; ++step) live.step(step);
      const auto before = live.outcome();
      const auto snapshot = source.optimizer().snapshot();
      const bool first = communicator.rank() == 0;
      const auto refused = [&](const StateTensors& tensors, const std::string& part) {
        for (const auto& index : {snapshot.index, std::string()}) {
          OptimizerState given{tensors, index};
          const auto said = thrown_by<CheckpointError>([&] { live.optimizer().load_state(given); });
          INFO(said);
          CHECK(said.find(part) != std::string::npos);
          CHECK(first_difference(live.outcome(), before) == "");
          CHECK(live.optimizer().applied_steps() == 2);
        }
      };
      const auto changed = [&](auto&& change) { return first ? change(snapshot.tensors) : StateTensors(); };
      const auto replaced = [&](const std::string& name, const at::Tensor& tensor) {
        return changed([&](const StateTensors& all) { return with(all, name, tensor); });
      };
      refused(replaced("embed.weight/exp_avg", at::zeros({11, 6})),
              "`embed.weight/exp_avg`: is float32 [11, 6], expected float32 [11, 5]");
      refused(replaced("embed.weight/exp_avg", at::zeros({11, 5}, at::kShort)),
              "`embed.weight/exp_avg`: is int16, expected float32");
      refused(replaced("embed.weight/exp_avg", at::zeros({11, 5}, at::kDouble)),
              "`embed.weight/exp_avg`: is float64, expected float32");
      refused(replaced("embed.weight/exp_avg", at::Tensor()), "`embed.weight/exp_avg` is undefined");
      refused(replaced("embed.weight/count", at::full({}, -3, at::kLong)), "`embed.weight/count`: is -3");
      refused(changed([](const StateTensors& all) { return without(all, "embed.weight/exp_avg"); }),
              "`embed.weight/exp_avg`: is missing");
      refused(changed([](StateTensors all) {
                all.push_back(all.front());
                return all;
              }),
              "twice");
      refused(changed([](StateTensors all) {
                all.emplace_back("embed.weight/intruder", at::zeros({2}));
                return all;
              }),
              "`embed.weight/intruder`");
      auto spoiled = snapshot;
      if (first) spoiled.index[spoiled.index.find("\"calls\": 1") + 9] = '7';
      CHECK(thrown_by<CheckpointError>([&] { live.optimizer().load_state(spoiled); }).find("damaged") !=
            std::string::npos);
      // And a good one still loads.
      live.optimizer().load_state(snapshot);
      CHECK(live.optimizer().applied_steps() == 1);
      CHECK(first_difference(live.outcome().state, source.outcome().state) == "");
    });
  }
}

TEST_CASE("load_state: another plan is refused in the words of a checkpoint's") {
  const testing::Threads one(1);
  const auto model = lively_model();
  auto source = model.bench();
  source.step(1);
  auto other = model;
  other.setup.items[2].plugin = "sgd";  // embed.weight
  auto bench = other.bench();
  const auto said = thrown_by<CheckpointError>([&] { bench.optimizer().load_state(source.optimizer().snapshot()); });
  CHECK(said.find("`embed.weight`: the checkpoint has plugin adamw; the plan has plugin sgd") != std::string::npos);
}
