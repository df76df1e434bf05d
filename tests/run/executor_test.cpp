#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "core/plugin/optimizer.h"
#include "core/run/block_stack.h"
#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"

using namespace switchyard;
using conformance::first_difference;

namespace {

struct NoOptions {
  bool unused = false;
};
constexpr auto describe(of<NoOptions>) { return options(option("unused", &NoOptions::unused, "")); }

/// What each call of a plugin saw.
struct Log {
  std::vector<std::vector<std::string>> stacks;  ///< by call of transform: parameter/block
  std::vector<std::string> pieces;               ///< of finish
  bool aligned = true;
  bool packed = true;
};

/// Tells what it is shown and moves nothing.
class Recorder final : public Optimizer {
 public:
  explicit Recorder(std::shared_ptr<Log> log) : log_(std::move(log)) {}
  void begin(Pieces pieces, const Step&) override {
    for (auto& piece : pieces) {
      piece.tensor(piece.work).zero_();
      std::int64_t numel = 1;
      for (const auto size : piece.sizes) numel *= size;
      if (numel != piece.numel) log_->packed = false;
    }
  }
  void transform(Stack& stack, const Step&) override {
    std::vector<std::string> call;
    for (std::int64_t b = 0; b < stack.size(); ++b) {
      const auto& info = *stack.blocks[static_cast<std::size_t>(b)];
      call.push_back(info.parameter + "/" + info.block);
      for (const auto& slot : {stack.work, stack.param, at::Tensor(stack.state[0])}) {
        const auto one = slot.select(0, b);
        if (reinterpret_cast<std::uintptr_t>(one.const_data_ptr()) % 64 != 0) log_->aligned = false;
        if (!one.is_contiguous()) log_->packed = false;
      }
    }
    log_->stacks.push_back(std::move(call));
  }
  void finish(Pieces pieces, const Step&) override {
    for (const auto& piece : pieces) log_->pieces.push_back(piece.block->parameter + "/" + piece.block->block);
  }

 private:
  std::shared_ptr<Log> log_;
};

Registry recording(const std::shared_ptr<Log>& log) {
  OptimizerDescriptor descriptor;
  descriptor.name = "recorder";
  descriptor.table = option_table<NoOptions>();
  descriptor.slots = {{.name = "slot", .shape = SlotShape::block_matrix}};
  descriptor.traits = {.unit = Unit::matrix, .needs_param = true, .needs_lr = true};
  descriptor.make = [log] { return std::make_unique<Recorder>(log); };
  Registry registry;
  registry.add(std::move(descriptor));
  return registry;
}

}  // namespace

TEST_CASE("executor: stacks hold equal blocks whatever their parameter, on 64-byte boundaries, cut at the workspace") {
  const testing::Threads one(1);
  const auto log = std::make_shared<Log>();
  const auto registry = recording(log);
  const conformance::Subject subject(registry, *registry.find("recorder"));
  MatrixView thirds;
  thirds.out = {0};
  thirds.in = {1};
  thirds.split_axis = 0;
  thirds.parts = {{"q", {0, 5, 0, 1}}, {"k", {5, 5, 0, 1}}, {"v", {10, 5, 0, 1}}};
  conformance::Setup setup;
  setup.items = {{"a", {5, 7}}, {"b", {15, 7}, at::kFloat, thirds}, {"c", {7, 5}}, {"d", {5, 7}}};
  {
    conformance::Bench bench(subject, setup);
    bench.step(1);
    CHECK(log->stacks == std::vector<std::vector<std::string>>{{"a/", "b/q", "b/k", "b/v", "d/"}, {"c/"}});
    CHECK(log->aligned);
    CHECK(log->packed);
    // Work and parameter of five blocks of 35 floats, each padded to 192 bytes.
    CHECK(bench.optimizer().peak_workspace() == 5 * 2 * 192);
  }
  log->stacks.clear();
  setup.workspace = 2 * 2 * 192;
  setup.missing = [](int, std::size_t item) { return item == 0; };
  conformance::Bench cut(subject, setup);
  cut.step(1);
  // Two blocks a stack; the batches stay as planned although `a` is missing.
  CHECK(log->stacks == std::vector<std::vector<std::string>>{{"b/q"}, {"b/k", "b/v"}, {"d/"}, {"c/"}});
  CHECK(cut.optimizer().peak_workspace() == 2 * 2 * 192);
}

TEST_CASE("executor: every block has one owner, and the most expensive ones are spread") {
  constexpr int ranks = 3;
  conformance::Setup setup;
  for (int i = 0; i < 12; ++i) setup.items.push_back({"w" + std::to_string(i), {8, 16}});
  setup.items.push_back({"big", {64, 64}});
  std::vector<std::shared_ptr<Log>> logs;
  for (int r = 0; r < ranks; ++r) logs.push_back(std::make_shared<Log>());
  for (const bool sharded : {false, true}) {
    setup.sharded = sharded;
    setup.ranks = ranks;
    for (auto& log : logs) *log = Log{};
    ThreadWorld world(ranks);
    world.run([&](Communicator& communicator) {
      const auto registry = recording(logs[static_cast<std::size_t>(communicator.rank())]);
      const conformance::Subject subject(registry, *registry.find("recorder"));
      conformance::Bench bench(subject, setup, &communicator);
      bench.step(1);
    });
    std::multiset<std::string> transformed;
    std::size_t with_big = 0;
    std::size_t others_there = 0;
    for (const auto& log : logs) {
      std::size_t blocks = 0;
      bool big = false;
      for (const auto& call : log->stacks) {
        blocks += call.size();
        big = big || std::find(call.begin(), call.end(), "big/") != call.end();
        transformed.insert(call.begin(), call.end());
      }
      with_big += big ? 1 : 0;
      if (big) others_there = blocks - 1;
    }
    CHECK(transformed.size() == 13);  // each once, on one rank
    CHECK(std::set<std::string>(transformed.begin(), transformed.end()).size() == 13);
    CHECK(with_big == 1);
    CHECK(others_there == 0);  // 4096 elements against 12 x 128
  }
}

TEST_CASE("executor: a mixed model on ranks, sharded and cut, equals one rank bit for bit") {
  MixedModel model;
  model.setup.clip = 2.0;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (auto& item : model.setup.items) item.dtype = dtype;
    const auto alone = conformance::run(model.subject, model.setup);
    auto setup = model.setup;
    setup.workspace = 1;
    for (const int ranks : {2, 3}) {
      setup.ranks = ranks;
      for (const bool sharded : {false, true}) {
        setup.sharded = sharded;
        INFO("ranks ", ranks, sharded ? ", sharded" : "");
        CHECK(first_difference(conformance::run(model.subject, setup), alone) == "");
      }
    }
  }
}

// Covers T11.
TEST_CASE("executor: ranks with different plans are told before the first step") {
  const MixedModel model;
  auto other = model;
  other.setup.options.emplace_back("momentum", 0.5);
  std::vector<std::string> said(2);
  ThreadWorld world(2);
  CHECK_THROWS(world.run([&](Communicator& communicator) {
    said[static_cast<std::size_t>(communicator.rank())] =
        thrown_by([&] { (communicator.rank() == 0 ? model : other).bench(&communicator); });
    throw OptimizerError("done");
  }));
  for (const auto& text : said) CHECK(text.find("rank 1 has another plan") != std::string::npos);
}

TEST_CASE("executor: rows that are not held exactly once are refused") {
  const auto registry = builtin_registry();
  for (const std::int64_t second : {2, 4}) {  // a hole of one row, or one row too many
    ThreadWorld world(2);
    std::vector<std::string> said(2);
    CHECK_THROWS(world.run([&](Communicator& communicator) {
      const bool first = communicator.rank() == 0;
      NamedTensor named;
      named.name = "w";
      named.tensor = at::zeros({first ? 3 : second, 4}).set_requires_grad(true);
      named.rows = 6;
      named.first_row = first ? 0 : 6 - second;
      RunOptions options;
      options.communicator = &communicator;
      said[static_cast<std::size_t>(communicator.rank())] = thrown_by<InvalidParameterError>([&] {
        ComposedOptimizer({{.id = "g", .plugin = "sgd", .parameters = {"w"}}}, 0.1, {named}, registry, options);
      });
      throw OptimizerError("done");
    }));
    for (const auto& text : said) CHECK(text.find("`w`") != std::string::npos);
  }
}

namespace {

struct OtherOptions {
  bool unused = false;
};
constexpr auto describe(of<OtherOptions>) { return options(option("unused", &OtherOptions::unused, "")); }

/// Asks for the options of another plugin.
class Confused final : public Optimizer {
 public:
  void finish(Pieces, const Step& step) override { static_cast<void>(step.options<NoOptions>()); }
};

}  // namespace

TEST_CASE("executor: a plugin that asks for another struct than its table's is told, and poisons") {
  Registry registry;
  registry.add(describe_optimizer<Confused, OtherOptions>({.name = "confused", .doc = "Asks for other options."}));
  const conformance::Subject subject(registry, *registry.find("confused"));
  conformance::Setup setup;
  setup.items = {{"w", {3, 4}}};
  conformance::Bench bench(subject, setup);
  const auto said = thrown_by([&] { bench.step(1); });
  CHECK(said.find("plugin `confused` failed in finish at parameter `w`") != std::string::npos);
  CHECK(said.find("asks for its options as") != std::string::npos);
  CHECK(bench.optimizer().poisoned());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their allocators end the program instead
TEST_CASE("executor: stacks that no memory holds are refused with their size") {
  Arena arena;
  const auto said = thrown_by([&] { arena.reserve(std::int64_t{1} << 60); });
  CHECK(said.find("1152921504606846976 bytes") != std::string::npos);
  CHECK(said.find("workspace") != std::string::npos);
}
#endif
