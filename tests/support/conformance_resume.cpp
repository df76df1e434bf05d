#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/plugin/optimizer.h"
#include "core/run/tensor_file.h"
#include "tests/kernels/values.h"
#include "tests/support/conformance.h"
#include "tests/support/scratch.h"

/// State is declared, saved whole, and never taken from a file that does not fit.
namespace switchyard::conformance {

namespace {

Setup usual(const Subject& subject, std::uint64_t seed) {
  Setup setup;
  setup.seed = seed;
  setup.items = small_items(subject);
  setup.options = lively_options(subject.descriptor);
  return setup;
}

/// Everything that a refused load must leave alone.
std::string fingerprint(Bench& bench) {
  std::string out;
  auto& optimizer = bench.optimizer();
  for (auto group : optimizer.groups()) {
    out += group.id() + " " + shortest(group.lr());
    for (const auto& [name, value] : group.options()) out += " " + name + "=" + to_string(value);
  }
  out += " t " + std::to_string(optimizer.applied_steps()) + " skipped " + std::to_string(optimizer.skipped_steps());
  for (const auto& named : bench.tensors()) out += " " + std::to_string(optimizer.count(named.name));
  return out;
}

/// Puts `tensors` in the place of a checkpoint's data, with a true checksum: only the contents lie.
void rewrite_data(const std::string& folder, const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  const auto data = testing::member(testing::read_file(folder + "/index.json"), "data");
  save_tensors(folder + "/" + data, tensors);
  testing::set_member(folder + "/index.json", "checksum", TensorFile(folder + "/" + data).checksum());
}

/// A plugin that works until it is told to fail in a phase.
class Faulty final : public Optimizer {
 public:
  struct Fuse {
    std::string phase;
    bool odd = false;  ///< throw something that is not a std::exception
  };
  Faulty(std::unique_ptr<Optimizer> inner, std::shared_ptr<Fuse> fuse)
      : inner_(std::move(inner)), fuse_(std::move(fuse)) {}
  void begin(Pieces pieces, const Step& step) override {
    inner_->begin(pieces, step);
    fail("begin");
  }
  void transform(Stack& stack, const Step& step) override {
    inner_->transform(stack, step);
    fail("transform");
  }
  void finish(Pieces pieces, const Step& step) override {
    inner_->finish(pieces, step);
    fail("finish");
  }

 private:
  void fail(const std::string& phase) const {
    if (fuse_->phase != phase) return;
    if (fuse_->odd) throw 7;
    throw std::runtime_error("blown fuse");
  }
  std::unique_ptr<Optimizer> inner_;
  std::shared_ptr<Fuse> fuse_;
};

}  // namespace

void state_is_complete_and_declared(const Subject& subject) {
  const testing::Threads one(1);
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    auto setup = usual(subject, 600);
    setup.items = small_items(subject, dtype);
    Bench bench(subject, setup);
    const auto born = bench.outcome().state;
    bench.step(1);
    const auto later = bench.outcome().state;
    INFO("plugin ", subject.descriptor.name, ", dtype ", c10::toString(dtype));
    const auto wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
    std::size_t expected = 0;
    for (const auto& item : setup.items) {
      std::int64_t numel = 1;
      for (const auto size : item.shape) numel *= size;
      const auto out = item.shape.empty() ? 1 : item.shape[0];
      const auto in = out == 0 ? 0 : numel / out;
      const auto look = [&](const std::string& name, const std::vector<std::int64_t>& shape, at::ScalarType type) {
        ++expected;
        const auto found = born.find(item.name + "/" + name);
        INFO("state ", item.name, "/", name);
        REQUIRE(found != born.end());
        CHECK(to_string(found->second.sizes().vec()) == to_string(shape));
        CHECK(std::string(c10::toString(found->second.scalar_type())) == c10::toString(type));
      };
      const OptionValues values = plan_of(subject, setup, bench.tensors()).groups[0].options;
      const std::vector<std::int64_t> chunks = {chunks_of(numel, subject.descriptor.chunk_length(values))};
      for (const auto& slot : subject.descriptor.slots) {
        const bool owned = owner_slot(slot.shape);
        if (!slot.active(values, owned ? out : numel, owned ? in : 1)) continue;
        const auto type = slot.encoded()                      ? at::kByte
                          : slot.dtype == SlotDtype::work     ? wide
                          : slot.dtype == SlotDtype::float64  ? at::kDouble
                          : slot.dtype == SlotDtype::bfloat16 ? at::kBFloat16
                                                              : at::kFloat;
        look(slot.name,
             owned                                ? owner_slot_sizes(slot.shape, out, in)
             : slot.shape == SlotShape::per_chunk ? chunks
                                                  : item.shape,
             type);
        if (slot.encoded()) look(slot.name + "_scale", chunks, at::kFloat);
      }
      if (subject.descriptor.traits.master && dtype == at::kBFloat16) look("master", item.shape, at::kFloat);
      look("count", {}, at::kLong);
    }
    CHECK(born.size() == expected);
    CHECK(later.size() == expected);
  }
}

void older_checkpoint_loads(const Subject& subject) {
  const testing::Threads one(1);
  const testing::Scratch scratch;
  const auto setup = usual(subject, 601);
  Bench bench(subject, setup);
  bench.step(1);
  bench.optimizer().save(scratch.path("new"));
  const auto saved = bench.outcome().state;
  for (const auto& option : subject.descriptor.table.options) {
    std::filesystem::remove_all(scratch.path("old"));
    std::filesystem::copy(scratch.path("new"), scratch.path("old"));
    testing::remove_option(scratch.path("old") + "/index.json", option.name);
    Bench other(subject, setup);
    const auto report = other.optimizer().load(scratch.path("old"));
    std::string notes;
    for (const auto& note : report.notes) notes += note + "\n";
    INFO("plugin ", subject.descriptor.name, ", option ", option.name, ", notes ", notes);
    CHECK(notes.find("`" + option.name + "`") != std::string::npos);
    CHECK(first_difference(other.outcome().state, saved) == "");
  }
}

void foreign_state_is_refused(const Subject& subject) {
  const testing::Threads one(1);
  const testing::Scratch scratch;
  const auto setup = usual(subject, 602);
  Bench source(subject, setup);
  source.step(1);
  source.optimizer().save(scratch.path("good"));
  auto tensors = source.optimizer().state();

  Bench live(subject, setup);
  live.step(3);
  const auto before = live.outcome();
  const auto values = fingerprint(live);
  const auto refused = [&](const std::string& what, const std::string& named,
                           const std::function<void(const std::string&)>& spoil) {
    const auto folder = scratch.path("bad");
    std::filesystem::remove_all(folder);
    std::filesystem::copy(scratch.path("good"), folder);
    spoil(folder);
    std::string said = "nothing";
    try {
      live.optimizer().load(folder);
    } catch (const CheckpointError& error) {
      said = error.what();
    }
    INFO("plugin ", subject.descriptor.name, ", ", what, ", said ", said);
    CHECK(said != "nothing");
    CHECK(said.find(named) != std::string::npos);
    CHECK(first_difference(live.outcome(), before) == "");
    CHECK(fingerprint(live) == values);
    CHECK_FALSE(live.optimizer().poisoned());
  };
  for (std::size_t i = 0; i < tensors.size(); i += 3) {
    const auto name = tensors[i].first;
    const auto with = [&](const at::Tensor& tensor) {
      auto changed = tensors;
      changed[i].second = tensor;
      return changed;
    };
    const auto& now = tensors[i].second;
    refused("shape of " + name, name, [&](const std::string& folder) {
      rewrite_data(folder, with(at::zeros({2, 3, 2}, now.options())));
    });
    refused("dtype of " + name, name,
            [&](const std::string& folder) { rewrite_data(folder, with(now.to(at::kShort))); });
    refused("missing " + name, name, [&](const std::string& folder) {
      auto fewer = tensors;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      rewrite_data(folder, fewer);
    });
  }
  refused("an extra tensor", "tensors", [&](const std::string& folder) {
    auto more = tensors;
    more.emplace_back("wide/intruder", at::zeros({2}));
    rewrite_data(folder, more);
  });
  // Another model: one parameter renamed, one of another shape, one fewer.
  auto other = setup;
  other.items[0].name = "renamed";
  other.items[1].shape = {9, 6};
  other.items.erase(other.items.begin() + 2);
  Bench foreign(subject, other);
  std::string said;
  try {
    foreign.optimizer().load(scratch.path("good"));
  } catch (const CheckpointError& error) {
    said = error.what();
  }
  for (const auto* name : {"renamed", "wide", "tall", "row"}) {
    INFO("plugin ", subject.descriptor.name, ", said ", said);
    CHECK(said.find("`" + std::string(name) + "`") != std::string::npos);
  }
}

/// The plugins of `subject` with that one made faulty.
Registry with_fuse(const Subject& subject, const std::shared_ptr<Faulty::Fuse>& fuse) {
  auto descriptor = subject.descriptor;
  descriptor.make = [fuse, make = subject.descriptor.make] { return std::make_unique<Faulty>(make(), fuse); };
  Registry registry;
  for (const auto& entry : subject.registry.optimizers())
    registry.add(entry.name == descriptor.name ? descriptor : entry);
  return registry;
}

void failing_plugin_poisons(const Subject& subject) {
  const testing::Threads one(1);
  const testing::Scratch scratch;
  const auto fuse = std::make_shared<Faulty::Fuse>();
  const auto registry = with_fuse(subject, fuse);
  const auto& descriptor = subject.descriptor;
  const Subject faulty(registry, *registry.find(descriptor.name));

  auto setup = usual(subject, 603);
  setup.items.push_back({"other", {4, 3}, at::kFloat, {}, subject.descriptor.name == "adamw" ? "sgd" : "adamw"});
  Bench clean(faulty, setup);
  clean.step(1);
  clean.step(2);
  const auto expected = clean.outcome();
  for (const std::string phase : {"begin", "transform", "finish"}) {
    if (phase == "transform" && !subject.matrix()) continue;
    for (const bool odd : {false, true}) {
      Bench bench(faulty, setup);
      bench.step(1);
      bench.optimizer().save(scratch.path("before"));
      const auto model = bench.outcome().params;
      fuse->phase = phase;
      fuse->odd = odd;
      std::string said;
      try {
        bench.step(2);
      } catch (const OptimizerError& error) {
        said = error.what();
      }
      fuse->phase.clear();
      INFO("plugin ", descriptor.name, ", phase ", phase, ", said ", said);
      CHECK(said.find("`" + descriptor.name + "`") != std::string::npos);
      CHECK(said.find(phase) != std::string::npos);
      CHECK(std::any_of(setup.items.begin(), setup.items.end(),
                        [&](const Item& item) { return said.find("`" + item.name + "`") != std::string::npos; }));
      CHECK(bench.optimizer().poisoned());
      CHECK_THROWS_AS(bench.step(2), OptimizerError);
      CHECK_THROWS_AS(bench.optimizer().save(scratch.path("after")), OptimizerError);
      CHECK_FALSE(std::filesystem::exists(scratch.path("after")));
      // Load heals: with the model of that time the run goes on as if nothing had been.
      bench.optimizer().load(scratch.path("before"));
      CHECK_FALSE(bench.optimizer().poisoned());
      for (const auto& named : bench.tensors()) named.tensor.detach().copy_(model.at(named.name));
      bench.step(2);
      CHECK(first_difference(bench.outcome(), expected) == "");
    }
  }
}

void failing_rank_stops_all_until_they_load(const Subject& subject) {
  constexpr int ranks = 3;
  const testing::Threads one(1);
  const testing::Scratch scratch;
  auto setup = usual(subject, 604);
  setup.ranks = ranks;
  setup.sharded = true;
  std::map<std::string, at::Tensor> expected[ranks];
  std::map<std::string, at::Tensor> healed[ranks];
  ThreadWorld clean(ranks);
  clean.run([&](Communicator& communicator) {
    Bench bench(subject, setup, &communicator);
    for (const int step : {1, 2, 3}) bench.step(step);
    expected[communicator.rank()] = bench.outcome().params;
  });
  const std::string phase = subject.matrix() ? "transform" : "finish";
  std::string said[ranks];
  ThreadWorld world(ranks);
  world.run([&](Communicator& communicator) {
    const auto rank = communicator.rank();
    const auto fuse = std::make_shared<Faulty::Fuse>();
    const auto registry = with_fuse(subject, fuse);
    const Subject faulty(registry, *registry.find(subject.descriptor.name));
    Bench bench(faulty, setup, &communicator);
    bench.step(1);
    bench.optimizer().save(scratch.path("before"));
    const auto model = bench.outcome().params;
    // Every phase runs on some rank only where it has work: all of them blow, the first one is reported.
    if (rank != 0) fuse->phase = phase;
    try {
      // A rank that had nothing to exchange after the failure hears of it in its next step.
      bench.step(2);
      bench.step(3);
    } catch (const OptimizerError& error) {
      said[rank] = error.what();
    }
    fuse->phase.clear();
    bench.optimizer().load(scratch.path("before"));
    for (const auto& named : bench.tensors()) named.tensor.detach().copy_(model.at(named.name));
    bench.step(2);
    bench.step(3);
    healed[rank] = bench.outcome().params;
  });
  for (int rank = 0; rank < ranks; ++rank) {
    INFO("plugin ", subject.descriptor.name, ", rank ", rank, ", said ", said[rank]);
    CHECK(said[rank].find("blown fuse") != std::string::npos);
    CHECK(first_difference(healed[rank], expected[rank]) == "");
  }
}

}  // namespace switchyard::conformance
