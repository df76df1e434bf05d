#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "core/run/communicator.h"
#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"

using namespace switchyard;
using conformance::first_difference;
using testing::same_bits;

namespace {

OptionValue option(Group group, const std::string& name) { return *find_option(group.options(), name); }

}  // namespace

TEST_CASE("groups: they list id, plugin, parameters, options and rate") {
  const MixedModel model;
  auto bench = model.bench();
  auto groups = bench.optimizer().groups();
  REQUIRE(groups.size() == 4);
  CHECK(groups[0].id() == "of_muon");
  CHECK(groups[0].plugin() == "muon");
  CHECK(groups[0].parameters() == std::vector<std::string>{"net.up.weight", "net.down.weight"});
  CHECK(groups[1].parameters() == std::vector<std::string>{"embed.weight", "net.up.bias"});
  CHECK(std::get<double>(option(groups[0], "weight_decay")) == 0.1);
  CHECK(std::get<std::string>(option(groups[0], "coefficients")) == "jordan");
  CHECK(groups[0].lr() == 0.05);
  CHECK_THROWS_AS(bench.optimizer().group("of_lion"), OptimizerError);
}

TEST_CASE("groups: a write holds from the next step on, as if planned") {
  const testing::Threads one(1);
  const MixedModel model;
  auto other = model;
  for (auto& [name, value] : other.setup.options) {
    if (name == "weight_decay") value = 0.3;
  }
  other.setup.options.emplace_back("momentum", 0.5);
  other.setup.options.emplace_back("scale", std::string("match_rms_adamw"));
  auto planned = other.bench();
  auto written = model.bench();
  auto group = written.optimizer().group("of_muon");
  group.set("weight_decay", 0.3);
  group.set("momentum", 0.5);
  group.set("scale", std::string("match_rms_adamw"));
  CHECK(std::get<double>(option(group, "momentum")) == 0.5);
  planned.step(1);
  written.step(1);
  CHECK(first_difference(written.outcome(), planned.outcome()) == "");
  CHECK(written.optimizer().plan().plan_hash == planned.optimizer().plan().plan_hash);
  CHECK(written.optimizer().plan().state_hash == model.bench().optimizer().plan().state_hash);
}

TEST_CASE("groups: bad writes are refused with what was expected, and change nothing") {
  const testing::Threads one(1);
  const MixedModel model;
  auto bench = model.bench();
  const auto before = bench.optimizer().plan().plan_hash;
  auto muon = bench.optimizer().group("of_muon");
  CHECK(thrown_by([&] { muon.set("momentum", 1.0); }).find("[0, 1)") != std::string::npos);
  CHECK(thrown_by([&] { muon.set("momentum", std::nan("")); }).find("momentum") != std::string::npos);
  CHECK(thrown_by([&] { muon.set("momentum", std::string("high")); }).find("number") != std::string::npos);
  CHECK(thrown_by([&] { muon.set("momentun", 0.5); }).find("`momentum`") != std::string::npos);
  CHECK(thrown_by([&] { muon.set("form", std::string("sum")); }).find("heavy_ball") != std::string::npos);
  CHECK(thrown_by([&] { muon.set("coefficients", std::string("polar_express")); }) == "nothing");
  muon.set("coefficients", std::string("jordan"));
  for (const double lr : {-0.1, double(NAN), double(INFINITY)}) {
    CHECK_THROWS_AS(muon.set_lr(lr), OptimizerError);
    CHECK_THROWS_AS(bench.optimizer().set_lr(lr), OptimizerError);
  }
  CHECK(bench.optimizer().plan().plan_hash == before);
}

TEST_CASE("groups: an option that decides which state exists cannot be written") {
  const MixedModel model;
  auto bench = model.bench();
  const auto amsgrad = thrown_by([&] { bench.optimizer().group("of_adamw").set("amsgrad", true); });
  CHECK(amsgrad.find("amsgrad") != std::string::npos);
  CHECK(amsgrad.find("new plan") != std::string::npos);
  CHECK(thrown_by([&] { bench.optimizer().group("of_probe_coded").set("chunk", std::int64_t{16}); }).find("new plan") !=
        std::string::npos);
}

TEST_CASE("groups: a scheduled option cannot be written, and reads as of the next step") {
  const testing::Threads one(1);
  MixedModel model;
  Schedule line;
  line.kind = Schedule::Kind::piecewise;
  line.points = {{0, 0.8}, {4, 0.4}};
  Schedule warmup;
  warmup.warmup = 2;
  model.setup.schedules = {{"momentum", line}, {"lr", warmup}};
  auto bench = model.bench();
  auto group = bench.optimizer().group("of_muon");
  CHECK(std::get<double>(option(group, "momentum")) == 0.8);
  CHECK(group.lr() == 0.025);
  bench.step(1);
  CHECK(std::get<double>(option(group, "momentum")) == doctest::Approx(0.7));
  CHECK(group.lr() == 0.05);
  CHECK(group.base_lr() == 0.05);
  CHECK(thrown_by([&] { group.set("momentum", 0.5); }).find("schedule") != std::string::npos);
  group.set_lr(0.2);  // the schedule keeps multiplying
  CHECK(group.lr() == 0.2);
}

TEST_CASE("groups: schedules of options give what a write before each step would") {
  const testing::Threads one(1);
  MixedModel model;
  auto by_hand = model.bench();
  Schedule momentum;
  momentum.kind = Schedule::Kind::piecewise;
  momentum.points = {{0, 0.5}, {2, 0.9}};
  Schedule decay;
  decay.kind = Schedule::Kind::piecewise;
  decay.points = {{0, 0.3}, {2, 0.0}};
  model.setup.schedules = {{"momentum", momentum}, {"weight_decay", decay}};
  auto scheduled = model.bench();
  for (int step = 1; step <= 4; ++step) {
    by_hand.optimizer().group("of_muon").set("momentum", momentum(step - 1));
    by_hand.optimizer().group("of_muon").set("weight_decay", decay(step - 1));
    by_hand.step(step);
    scheduled.step(step);
    INFO("step ", step);
    CHECK(first_difference(scheduled.outcome(), by_hand.outcome()) == "");
  }
}

TEST_CASE("groups: set_lr moves every group and keeps its scale") {
  const testing::Threads one(1);
  const auto registry = builtin_registry();
  const std::vector<NamedTensor> tensors = {{"a", at::zeros({2}, at::kDouble).set_requires_grad(true)},
                                            {"b", at::zeros({2}, at::kDouble).set_requires_grad(true)}};
  ComposedOptimizer optimizer({{.id = "one", .plugin = "sgd", .parameters = {"a"}, .lr_scale = 1},
                               {.id = "tenth", .plugin = "sgd", .parameters = {"b"}, .lr_scale = 0.1}},
                              1.0, tensors, registry);
  optimizer.set_lr(0.5);
  for (const auto& named : tensors) named.tensor.mutable_grad() = at::ones({2}, at::kDouble);
  optimizer.step();
  CHECK(tensors[0].tensor[0].item<double>() == -0.5);
  CHECK(tensors[1].tensor[0].item<double>() == -0.05);
  CHECK(optimizer.group("tenth").lr() == 0.05);
  CHECK(*optimizer.plan().base_lr == 0.5);
}

TEST_CASE("groups: options that become equal or different re-form the stacks and keep every owner's state") {
  const auto registry = probed_registry();
  // Two groups of one plugin share stacks while their options agree.
  for (const auto* plugin : {"probe_row_norm", "probe_two_sided", "probe_rewrite", "muon"}) {
    for (const int ranks : {1, 3}) {
      const auto train = [&](bool write) {
        std::map<std::string, at::Tensor> out;
        ThreadWorld world(ranks);
        world.run([&](Communicator& communicator) {
          std::vector<NamedTensor> tensors;
          for (const auto* name : {"a", "b", "c", "d"}) {
            tensors.push_back(
                {name, conformance::values_for(5, name, 0, {6, 4}).to(at::kFloat).set_requires_grad(true)});
          }
          RunOptions options;
          options.communicator = &communicator;
          ComposedOptimizer optimizer({{.id = "x", .plugin = plugin, .parameters = {"a", "c"}},
                                       {.id = "y", .plugin = plugin, .parameters = {"b", "d"}}},
                                      0.1, tensors, registry, options);
          for (int step = 1; step <= 4; ++step) {
            const std::string moved = std::string(plugin) == "probe_two_sided" ? "beta" : "momentum";
            // x differs in steps 2 and 3: apart, then together again. Without `write` y is never touched, so b and d
            // must not notice.
            if (write && step == 2) optimizer.group("x").set(moved, 0.3);
            if (write && step == 4)
              optimizer.group("x").set(moved, *find_option(optimizer.group("y").options(), moved));
            for (const auto& named : tensors)
              named.tensor.mutable_grad() = conformance::values_for(5, named.name, step, {6, 4}).to(at::kFloat);
            optimizer.step();
          }
          for (auto& [name, tensor] : optimizer.state()) out.emplace(name, tensor);
          if (communicator.rank() == 0) {
            for (const auto& named : tensors) out.emplace(named.name, named.tensor.detach().clone());
          }
        });
        return out;
      };
      const auto plain = train(false);
      const auto written = train(true);
      INFO("plugin ", plugin, ", ranks ", ranks);
      for (const auto& [name, tensor] : plain) {
        const bool of_y = name[0] == 'b' || name[0] == 'd';
        if (of_y) CHECK(same_bits(written.at(name), tensor));
      }
      CHECK_FALSE(same_bits(written.at("a"), plain.at("a")));
    }
  }
}

TEST_CASE("groups: a write on one rank only is an error on all") {
  const MixedModel model;
  std::vector<std::string> said(2);
  ThreadWorld world(2);
  world.run([&](Communicator& communicator) {
    auto bench = model.bench(&communicator);
    bench.step(1);
    if (communicator.rank() == 1) bench.optimizer().group("of_muon").set_lr(0.01);
    said[static_cast<std::size_t>(communicator.rank())] = thrown_by([&] { bench.step(2); });
  });
  for (const auto& text : said) CHECK(text.find("every rank") != std::string::npos);
}

TEST_CASE("groups: built in code, they are all of what is trained, and what they warn of is heard") {
  const auto registry = builtin_registry();
  auto weight = at::ones({2, 2}).set_requires_grad(true);
  const std::vector<NamedTensor> tensors = {{"weight", weight}, {"frozen", at::ones({2})}};
  std::vector<std::string> warnings;
  RunOptions options;
  options.warn = [&](const std::string& text) { warnings.push_back(text); };
  const std::vector<ParameterGroup> groups = {{.id = "g", .plugin = "sgd", .parameters = {"weight"}, .lr_scale = 0.5},
                                              {.id = "still", .plugin = "sgd", .parameters = {"frozen"}}};
  ComposedOptimizer optimizer(groups, 0.5, tensors, registry, options);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("SWY-2005: group `still` has only frozen parameters") != std::string::npos);
  weight.mutable_grad() = at::ones({2, 2});
  CHECK(optimizer.step().applied);
  CHECK(same_bits(weight.detach(), at::full({2, 2}, 0.75)));
  try {
    ComposedOptimizer({{.id = "g", .plugin = "sgd", .parameters = {"wieght"}}}, 0.5, tensors, registry);
    FAIL("accepted");
  } catch (const SpecError& error) {
    CHECK(error.diagnostics().count(Severity::error) == 2);  // and the weight has no group
  }
}

TEST_CASE("groups: a rank whose groups are wrong does not leave the others waiting") {
  const auto registry = builtin_registry();
  std::string heard;
  ThreadWorld world(2);
  CHECK_THROWS_AS(world.run([&](Communicator& communicator) {
    RunOptions options;
    options.communicator = &communicator;
    const std::vector<NamedTensor> tensors = {{"weight", at::ones({2, 2}).set_requires_grad(true)}};
    const auto* name = communicator.rank() == 1 ? "wieght" : "weight";
    try {
      ComposedOptimizer({{.id = "g", .plugin = "sgd", .parameters = {name}}}, 0.5, tensors, registry, options);
    } catch (const CommunicatorError& error) {
      heard = error.what();
      throw;
    }
  }),
                  SpecError);
  CHECK(heard.find("rank 1") != std::string::npos);
  CHECK(heard.find("`wieght`") != std::string::npos);
}
