#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <limits>

#include "core/run/composed_optimizer.h"
#include "core/run/state_rename.h"
#include "tests/run/mixed_bench.h"
#include "tests/support/scratch.h"

/// State carried over a change of names or of dtype.

using namespace switchyard;
using conformance::first_difference;
using testing::same_bits;
using testing::Scratch;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// The model with `before` in front of each name.
MixedModel renamed(MixedModel model, const std::string& before) {
  for (auto& item : model.setup.items) item.name = before + item.name;
  return model;
}

std::string all(const std::vector<std::string>& notes) {
  std::string out;
  for (const auto& note : notes) out += note + "\n";
  return out;
}

at::Tensor state_of(conformance::Bench& bench, const std::string& name) {
  for (auto& [one, tensor] : bench.optimizer().state()) {
    if (one == name) return tensor;
  }
  return {};
}

}  // namespace

TEST_CASE("renames: the first pair that matches renames; pairs are of names or of beginnings") {
  Renames renames(Pairs{{"a.weight", "first"}, {"a.", "b."}, {"module.", ""}, {"never.", "more."}});
  CHECK(renames.of("a.weight") == "first");
  CHECK(renames.of("a.bias") == "b.bias");
  CHECK(renames.of("module.c") == "c");
  CHECK(renames.of("ab.c") == "ab.c");
  CHECK(renames.idle() == std::vector<std::string>{"`never.` -> `more.`"});
  CHECK(Renames(Pairs{{"", "net."}}).of("w") == "net.w");
  for (const auto& [from, to] : Pairs{{"a.", "b"}, {"a", "b."}, {"a", ""}, {"", "b"}, {"", ""}}) {
    INFO(from, " -> ", to);
    const Pairs pairs = {{from, to}};
    CHECK(thrown_by<CheckpointError>([&] { const Renames bad(pairs); }).find("rename") != std::string::npos);
  }
}

TEST_CASE("load: state under other names is refused with a hint, and carried over by rename") {
  const testing::Threads one(1);
  const Scratch scratch;
  const MixedModel model;
  const auto inner = renamed(model, "module.");
  auto source = inner.bench();
  source.step(1);
  source.optimizer().save(scratch.path("c"));
  const auto saved = source.outcome();

  auto other = model.bench();
  const auto said = thrown_by<CheckpointError>([&] { other.optimizer().load(scratch.path("c")); });
  INFO(said);
  CHECK(said.find("LoadOptions::rename") != std::string::npos);
  CHECK(said.find("convert_dtype") == std::string::npos);
  const LoadOptions strip{.rename = {{"module.", ""}}};
  const auto from_folder = other.optimizer().load(scratch.path("c"), strip);
  CHECK(all(from_folder.notes).find("`module.net.up.weight`") != std::string::npos);
  auto from_memory = model.bench();
  from_memory.optimizer().load_state(source.optimizer().snapshot(), strip);
  auto from_tensors = model.bench();
  from_tensors.optimizer().load_state(source.optimizer().state(), strip);
  for (auto* bench : {&other, &from_memory, &from_tensors}) {
    const auto state = bench->outcome().state;
    CHECK(state.size() == saved.state.size());
    for (const auto& [name, tensor] : state) CHECK(same_bits(tensor, saved.state.at("module." + name)));
    CHECK(bench->optimizer().applied_steps() == 1);
  }
}

TEST_CASE("load: renames that match nothing, or bring two parameters under one name, are refused") {
  const testing::Threads one(1);
  const MixedModel model;
  auto source = model.bench();
  source.step(1);
  const auto snapshot = source.optimizer().snapshot();
  auto other = model.bench();
  other.step(1);
  const auto before = other.outcome();
  const auto said = [&](const LoadOptions& options) {
    const auto text = thrown_by<CheckpointError>([&] { other.optimizer().load_state(snapshot, options); });
    CHECK(first_difference(other.outcome(), before) == "");
    return text;
  };
  CHECK(said({.rename = {{"encoder.", "net."}}}).find("`encoder.` -> `net.`") != std::string::npos);
  const auto twice = said({.rename = {{"net.up.weight", "net.down.weight"}}});
  INFO(twice);
  CHECK(twice.find("`net.down.weight`: after LoadOptions::rename both") != std::string::npos);
}

TEST_CASE("load: state of another dtype is refused with a hint, and converted with one rounding when asked for") {
  const testing::Threads one(1);
  const Scratch scratch;
  for (const auto& [from, to] :
       std::vector<std::pair<at::ScalarType, at::ScalarType>>{{at::kDouble, at::kFloat}, {at::kFloat, at::kDouble}}) {
    const MixedModel model(from);
    auto source = model.bench();
    source.step(1);
    source.step(2);
    source.optimizer().save(scratch.path("c"));
    const MixedModel wanted(to);
    auto other = wanted.bench();
    const auto said = thrown_by<CheckpointError>([&] { other.optimizer().load(scratch.path("c")); });
    INFO(said);
    CHECK(said.find("LoadOptions::convert_dtype") != std::string::npos);
    CHECK(said.find("float64") != std::string::npos);
    CHECK(said.find("Float") == std::string::npos);
    // All parameters differ for one reason: one line.
    CHECK(std::count(said.begin(), said.end(), '\n') == 2);
    CHECK(said.find("`net.up.weight` and 5 more") != std::string::npos);
    CHECK(other.optimizer().applied_steps() == 0);

    const LoadOptions convert{.convert_dtype = true};
    const auto report = other.optimizer().load(scratch.path("c"), convert);
    INFO(all(report.notes));
    REQUIRE(report.notes.size() == 1);
    CHECK(report.notes[0].find("converted") != std::string::npos);
    auto alone = wanted.bench();
    alone.optimizer().load_state(source.optimizer().state(), convert);
    const auto saved = source.outcome().state;
    for (auto* bench : {&other, &alone}) {
      for (const auto& [name, tensor] : bench->outcome().state) {
        const auto& then = saved.at(name);
        // Codes and what belongs to them keep their dtype; the rest is rounded once.
        CHECK(same_bits(tensor, then.to(tensor.scalar_type())));
      }
      CHECK(bench->optimizer().applied_steps() == 2);
      CHECK(bench->step(3).applied);
    }
  }
}

TEST_CASE("load: a plan that changes more than the dtype is refused also with convert_dtype") {
  const testing::Threads one(1);
  const MixedModel model;
  auto source = model.bench();
  source.step(1);
  const auto snapshot = source.optimizer().snapshot();
  MixedModel wanted(at::kDouble);
  wanted.setup.items[2].plugin = "sgd";  // embed.weight
  wanted.setup.items[3].shape = {8};     // net.up.bias
  auto other = wanted.bench();
  const auto said =
      thrown_by<CheckpointError>([&] { other.optimizer().load_state(snapshot, {.convert_dtype = true}); });
  INFO(said);
  CHECK(said.find("`embed.weight`: the checkpoint has float32, plugin adamw; the plan has float64, plugin sgd") !=
        std::string::npos);
  CHECK(said.find("`net.up.bias`: the checkpoint has shape [9], float32; the plan has shape [8], float64") !=
        std::string::npos);
  CHECK(said.find("net.up.weight") == std::string::npos);
  CHECK(other.optimizer().applied_steps() == 0);
}

TEST_CASE("load: a value that does not fit into the smaller dtype is refused, and nothing changes") {
  const testing::Threads one(1);
  const MixedModel model(at::kDouble);
  auto source = model.bench();
  source.step(1);
  auto snapshot = source.optimizer().snapshot();
  for (auto& [name, tensor] : snapshot.tensors) {
    if (name == "embed.weight/exp_avg_sq") tensor.view(-1)[3] = 1e300;
  }
  const MixedModel wanted(at::kFloat);
  auto other = wanted.bench();
  other.step(1);
  const auto before = other.outcome();
  const auto said =
      thrown_by<CheckpointError>([&] { other.optimizer().load_state(snapshot, {.convert_dtype = true}); });
  CHECK(said.find("`embed.weight/exp_avg_sq`") != std::string::npos);
  CHECK(said.find("too large") != std::string::npos);
  CHECK(first_difference(other.outcome(), before) == "");
}

TEST_CASE(
    "load: masters are made from the parameters where the checkpoint has none, and left out where the plan has none") {
  const testing::Threads one(1);
  const LoadOptions convert{.convert_dtype = true};
  const MixedModel single(at::kFloat);
  const MixedModel half(at::kBFloat16);
  auto wide = single.bench();
  wide.step(1);
  auto narrow = half.bench();
  narrow.step(5);  // its masters have bits of their own
  for (const auto& named : narrow.tensors()) named.tensor.detach().copy_(wide.param(named.name).detach());
  const auto made = narrow.optimizer().load_state(wide.optimizer().snapshot(), convert);
  CHECK(all(made.notes).find("has no master copy in the checkpoint") != std::string::npos);
  const auto master = state_of(narrow, "embed.weight/master");
  REQUIRE(master.defined());
  CHECK(same_bits(master, narrow.param("embed.weight").detach().to(at::kFloat)));
  CHECK(same_bits(state_of(narrow, "embed.weight/exp_avg"), state_of(wide, "embed.weight/exp_avg")));
  CHECK(narrow.step(2).applied);

  auto back = single.bench();
  const auto dropped = back.optimizer().load_state(narrow.optimizer().snapshot(), convert);
  CHECK(all(dropped.notes).find("left out") != std::string::npos);
  CHECK(same_bits(state_of(back, "embed.weight/exp_avg"), state_of(narrow, "embed.weight/exp_avg")));
  CHECK(back.optimizer().applied_steps() == 2);
}
