#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"
#include "tests/support/scratch.h"

using namespace switchyard;
using conformance::first_difference;
using testing::data_of;
using testing::index_of;
using testing::same_bits;
using testing::Scratch;

namespace fs = std::filesystem;

namespace {

/// Trains `steps` steps on `ranks` ranks from a checkpoint (or from the start), then saves. Parameters travel through
/// `params`.
void train(const MixedModel& model, int ranks, bool sharded, int first, int last, const std::string& from,
           const std::string& to, std::map<std::string, at::Tensor>& params) {
  auto setup = model.setup;
  setup.ranks = ranks;
  setup.sharded = sharded;
  std::vector<std::map<std::string, at::Tensor>> parts(static_cast<std::size_t>(ranks));
  ThreadWorld world(ranks);
  world.run([&](Communicator& communicator) {
    conformance::Bench bench(model.subject, setup, &communicator);
    if (!from.empty()) {
      for (const auto& named : bench.tensors()) {
        const auto& whole = params.at(named.name);
        named.tensor.detach().copy_(named.rows >= 0 ? whole.narrow(0, named.first_row, named.tensor.size(0)) : whole);
      }
      bench.optimizer().load(from);
      CHECK(bench.optimizer().applied_steps() == first - 1);
    }
    for (int step = first; step <= last; ++step) bench.step(step);
    bench.optimizer().save(to);
    for (const auto& named : bench.tensors())
      parts[static_cast<std::size_t>(communicator.rank())].emplace(named.name, named.tensor.detach().clone());
  });
  for (const auto& item : setup.items) {
    std::vector<at::Tensor> rows;
    for (const auto& part : parts) rows.push_back(part.at(item.name));
    params[item.name] = sharded ? at::cat(rows) : rows.front();
  }
}

}  // namespace

TEST_CASE("checkpoint: saved at one world size, loaded at another, the run goes on bit for bit") {
  const testing::Threads one(1);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const MixedModel model(dtype);
    const Scratch scratch;
    std::map<std::string, at::Tensor> whole;
    train(model, 1, false, 1, 4, "", scratch.path("whole"), whole);
    struct Worlds {
      int save_ranks;
      bool save_sharded;
      int load_ranks;
      bool load_sharded;
    };
    const std::vector<Worlds> worlds = {
        {1, false, 2, true}, {2, true, 1, false}, {4, true, 3, true}, {3, false, 2, true}};
    for (const auto& w : worlds) {
      const auto middle = scratch.path("middle");
      const auto end = scratch.path("end");
      fs::remove_all(middle);
      fs::remove_all(end);
      std::map<std::string, at::Tensor> params;
      train(model, w.save_ranks, w.save_sharded, 1, 2, "", middle, params);
      train(model, w.load_ranks, w.load_sharded, 3, 4, middle, end, params);
      INFO("from ", w.save_ranks, " to ", w.load_ranks, " ranks");
      CHECK(first_difference(params, whole) == "");
      // The files are the same too: a checkpoint does not know how many ranks wrote it.
      CHECK(testing::read_file(data_of(end)) == testing::read_file(data_of(scratch.path("whole"))));
      CHECK(testing::read_file(index_of(end)) == testing::read_file(index_of(scratch.path("whole"))));
    }
  }
}

TEST_CASE("checkpoint: save, load, save gives the same bytes, also twice") {
  const testing::Threads one(1);
  const Scratch scratch;
  const MixedModel model;
  auto bench = model.bench();
  bench.step(1);
  bench.step(2);
  bench.optimizer().save(scratch.path("a"));
  auto other = model.bench();
  other.optimizer().load(scratch.path("a"));
  other.optimizer().load(scratch.path("a"));
  other.optimizer().save(scratch.path("b"));
  CHECK(testing::read_file(index_of(scratch.path("a"))) == testing::read_file(index_of(scratch.path("b"))));
  CHECK(testing::read_file(data_of(scratch.path("a"))) == testing::read_file(data_of(scratch.path("b"))));
  CHECK(first_difference(other.outcome().state, bench.outcome().state) == "");
  CHECK(other.optimizer().count("embed.weight") == 2);
}

TEST_CASE(
    "checkpoint: options that were set to what this plan does not allow are reported, and the plan's values hold") {
  const testing::Threads one(1);
  const Scratch scratch;
  const MixedModel model;
  auto source = model.bench();
  source.step(1);
  source.optimizer().save(scratch.path("c"));
  const auto index_text = testing::read_file(index_of(scratch.path("c")));
  for (const auto& [option, value] : std::map<std::string, std::string>{
           {"momentum", "1.5"}, {"nesterov", "\"yes\""}, {"ns_steps", "0"}, {"form", "[1, 2]"}}) {
    auto text = index_text;
    const auto [begin, end] = testing::value_of(text, option, text.find("\"options\":", text.find("\"of_muon\"")));
    testing::write_sealed(index_of(scratch.path("c")), text.replace(begin, end - begin, value));
    auto bench = model.bench();
    const auto hash = bench.optimizer().plan().plan_hash;
    const auto report = bench.optimizer().load(scratch.path("c"));
    REQUIRE(report.notes.size() == 1);
    CHECK(report.notes[0].find("`" + option + "`") != std::string::npos);
    CHECK(bench.optimizer().plan().plan_hash == hash);
    CHECK(bench.optimizer().applied_steps() == 1);
  }
}

TEST_CASE("checkpoint: another plan is refused with every difference by name") {
  const testing::Threads one(1);
  const Scratch scratch;
  const MixedModel model;
  auto source = model.bench();
  source.step(1);
  source.optimizer().save(scratch.path("c"));
  auto other = model;
  other.setup.items[2].plugin = "sgd";       // embed.weight
  other.setup.items[0].shape = {9, 6};       // net.up.weight
  other.setup.items[3].dtype = at::kDouble;  // net.up.bias
  other.setup.items.push_back({"new.weight", {2, 2}});
  other.setup.items[5].frozen = true;  // head.mix
  auto bench = other.bench();
  const auto said = thrown_by<CheckpointError>([&] { bench.optimizer().load(scratch.path("c")); });
  INFO(said);
  for (const auto* name : {"`embed.weight`", "`net.up.weight`", "`net.up.bias`", "`new.weight`", "`head.mix`", "adamw",
                           "sgd", "float64"}) {
    INFO(name);
    CHECK(said.find(name) != std::string::npos);
  }
  CHECK(said.find("`net.down.weight`") == std::string::npos);
  CHECK(said.find("`head.weight`") == std::string::npos);
}

// Covers T14.
TEST_CASE("checkpoint: a parameter is found under any of its names") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto registry = builtin_registry();
  const auto make = [&](const std::vector<std::string>& names) {
    const auto weight = conformance::values_for(4, "w", 0, {6, 4}).to(at::kFloat).set_requires_grad(true);
    std::vector<NamedTensor> tensors;
    for (const auto& name : names) tensors.push_back({name, weight});
    return std::make_pair(weight, ComposedOptimizer({{.id = "g", .plugin = "adamw", .parameters = {names.front()}}},
                                                    0.1, tensors, registry));
  };
  auto [weight, both] = make({"embed.weight", "head.weight"});
  weight.mutable_grad() = at::ones({6, 4});
  both.step();
  both.save(scratch.path("both"));
  auto [alone_weight, alone] = make({"head.weight"});
  alone.load(scratch.path("both"));
  CHECK(alone.count("head.weight") == 1);
  CHECK(same_bits(alone.state()[0].second, both.state()[0].second));
  alone.save(scratch.path("alone"));
  auto [other_weight, other] = make({"embed.weight", "head.weight"});
  other.load(scratch.path("alone"));
  CHECK(other.count("embed.weight") == 1);
  auto [stranger_weight, stranger] = make({"lm.weight"});
  const auto said = thrown_by<CheckpointError>([&] { stranger.load(scratch.path("both")); });
  CHECK(said.find("`lm.weight`") != std::string::npos);
  CHECK(said.find("`embed.weight`") != std::string::npos);
}

TEST_CASE("checkpoint: writes through groups come back; what the new plan changed holds and is reported") {
  const testing::Threads one(1);
  const Scratch scratch;
  const MixedModel model;
  auto source = model.bench();
  source.optimizer().group("of_muon").set("momentum", 0.5);
  source.optimizer().group("of_adamw").set_lr(0.007);
  source.step(1);
  source.optimizer().save(scratch.path("c"));

  auto same = model.bench();
  const auto report = same.optimizer().load(scratch.path("c"));
  CHECK(report.notes.empty());
  CHECK(std::get<double>(*find_option(same.optimizer().group("of_muon").options(), "momentum")) == 0.5);
  CHECK(same.optimizer().group("of_adamw").lr() == 0.007);
  CHECK(same.optimizer().group("of_muon").lr() == 0.05);
  for (const auto& named : same.tensors()) named.tensor.detach().copy_(source.param(named.name).detach());
  source.step(2);
  same.step(2);
  CHECK(first_difference(same.outcome(), source.outcome()) == "");

  // What was written after saving goes when the checkpoint is loaded.
  same.optimizer().group("of_muon").set("momentum", 0.1);
  same.optimizer().group("of_muon").set("nesterov", false);
  same.optimizer().group("of_muon").set_lr(1.0);
  same.optimizer().load(scratch.path("c"));
  CHECK(std::get<double>(*find_option(same.optimizer().group("of_muon").options(), "momentum")) == 0.5);
  CHECK(std::get<bool>(*find_option(same.optimizer().group("of_muon").options(), "nesterov")));
  CHECK(same.optimizer().group("of_muon").lr() == 0.05);

  auto changed = model;
  changed.setup.lr = 0.02;
  changed.setup.options.emplace_back("momentum", 0.8);
  auto other = changed.bench();
  std::string notes;
  for (const auto& note : other.optimizer().load(scratch.path("c")).notes) notes += note + "\n";
  INFO(notes);
  // What was set from code is not dropped without a word: planned then, live then, and what holds now.
  CHECK(notes.find("`of_adamw`: lr 0.05 planned in the checkpoint, 0.007 live when it was saved (set from code), 0.02 "
                   "here; the spec holds") != std::string::npos);
  CHECK(notes.find("`of_muon`: `momentum` 0.95 planned in the checkpoint, 0.5 live when it was saved (set from code), "
                   "0.8 here; the spec holds") != std::string::npos);
  // Groups with one cause share a line.
  CHECK(notes.find("`of_muon`, `of_probe_coded`, `of_probe_row_norm`: lr 0.05 in the checkpoint, 0.02 here") !=
        std::string::npos);
  CHECK(other.optimizer().group("of_muon").lr() == 0.02);
  CHECK(std::get<double>(*find_option(other.optimizer().group("of_muon").options(), "momentum")) == 0.8);
  CHECK(other.optimizer().applied_steps() == 1);
}

TEST_CASE("checkpoint: a base_lr that was live is reported with all three values when the spec has another") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto registry = builtin_registry();
  std::vector<std::string> warnings;
  const auto make = [&](double base_lr) {
    RunOptions options;
    options.warn = [&](const std::string& text) { warnings.push_back(text); };
    return ComposedOptimizer({{.id = "g", .plugin = "sgd", .parameters = {"p"}}}, base_lr,
                             {{"p", at::zeros({3}).set_requires_grad(true)}}, registry, options);
  };
  auto source = make(0.1);
  source.set_lr(0.025);
  source.save(scratch.path("c"));
  auto other = make(0.2);
  const auto report = other.load(scratch.path("c"));
  REQUIRE(report.notes.size() == 2);
  for (const auto& note : report.notes) {
    INFO(note);
    CHECK(note.find("0.1 planned in the checkpoint, 0.025 live when it was saved (set from code), 0.2 here") !=
          std::string::npos);
  }
  CHECK(report.notes[0].find("base_lr: ") == 0);
  CHECK(report.notes[1].find("`g`: lr ") == 0);
  CHECK(warnings == report.notes);
  CHECK(*other.plan().base_lr == 0.2);
  CHECK(other.group("g").lr() == 0.2);
}

TEST_CASE("checkpoint: differences of one cause are one line") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto registry = builtin_registry();
  const auto make = [&](at::ScalarType dtype) {
    std::vector<NamedTensor> tensors;
    ParameterGroup group{.id = "g", .plugin = "adamw"};
    for (int i = 0; i < 37; ++i) {
      group.parameters.push_back("layers." + std::to_string(i) + ".weight");
      tensors.push_back({group.parameters.back(), at::zeros({1 + i}, dtype).set_requires_grad(true)});
    }
    return ComposedOptimizer({group}, 0.1, tensors, registry);
  };
  make(at::kFloat).save(scratch.path("c"));
  auto other = make(at::kDouble);
  const auto said = thrown_by<CheckpointError>([&] { other.load(scratch.path("c")); });
  INFO(said);
  CHECK(said.find("`layers.0.weight` and 36 more: the checkpoint has float32; the plan has float64") !=
        std::string::npos);
  CHECK(std::count(said.begin(), said.end(), '\n') == 2);  // that and the hint
}

TEST_CASE("checkpoint: writes that are legal only together come back together") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto registry = builtin_registry();
  const auto make = [&] {
    return ComposedOptimizer(
        {{.id = "g", .plugin = "sgd", .parameters = {"p"}, .options = {{"momentum", 0.9}, {"nesterov", true}}}}, 0.1,
        {{"p", at::zeros({3}).set_requires_grad(true)}}, registry);
  };
  auto source = make();
  CHECK_THROWS_AS(source.group("g").set("dampening", 0.3), OptimizerError);  // not beside nesterov
  source.group("g").set("nesterov", false);
  source.group("g").set("dampening", 0.3);
  source.save(scratch.path("c"));
  auto other = make();
  other.load(scratch.path("c"));
  CHECK(std::get<double>(*find_option(other.group("g").options(), "dampening")) == 0.3);
}

TEST_CASE("checkpoint: if one rank refuses, all do, and the run goes on as it was") {
  const Scratch scratch;
  const MixedModel model;
  std::vector<std::string> said(3);
  std::vector<std::string> changed(3);
  ThreadWorld world(3);
  world.run([&](Communicator& communicator) {
    const auto rank = static_cast<std::size_t>(communicator.rank());
    auto bench = model.bench(&communicator);
    bench.step(1);
    bench.optimizer().save(scratch.path("c"));
    bench.step(2);
    const auto before = bench.outcome();
    said[rank] = thrown_by<CheckpointError>(
        [&] { bench.optimizer().load(communicator.rank() == 1 ? scratch.path("elsewhere") : scratch.path("c")); });
    changed[rank] = first_difference(bench.outcome(), before);
    bench.step(3);
    bench.optimizer().load(scratch.path("c"));
  });
  for (const auto& text : said) CHECK(text.find("elsewhere") != std::string::npos);
  for (const auto& text : changed) CHECK(text == "");
}

TEST_CASE("checkpoint: one from before slots had names loads as it is") {
  const testing::Threads one(1);
  const testing::Scratch scratch;
  const MixedModel model;
  auto bench = model.bench();
  bench.step(1);
  bench.optimizer().save(scratch.path("old"));
  const auto saved = bench.outcome();
  auto text = testing::read_file(scratch.path("old/index.json"));
  std::size_t changed = 0;
  for (const auto& [name, number] : {std::pair(":like_param:work", "#0"), std::pair(":per_out_row:work", "#3")}) {
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name)) {
      text.replace(at, std::string(name).size(), number);
      ++changed;
    }
  }
  CHECK(changed > 6);
  testing::write_sealed(scratch.path("old/index.json"), text);
  auto other = model.bench();
  other.optimizer().load(scratch.path("old"));
  CHECK(first_difference(other.outcome().state, saved.state) == "");
}
