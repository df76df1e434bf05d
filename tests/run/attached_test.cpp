#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <map>
#include <mutex>

#include "tests/run/mixed_bench.h"

/// Constraints and monitors around any plugin: the probes here are told nothing about shards, views or dtypes.

using namespace switchyard;
using conformance::first_difference;

namespace {

/// Frobenius norm 1 for every block, computed in double.
class UnitNorm final : public Constraint {
 public:
  void apply(Stack& stack, const Step&) override {
    for (std::int64_t b = 0; b < stack.size(); ++b) {
      auto block = stack.work.select(0, b);
      const auto norm = block.to(at::kDouble).norm();
      block.copy_(block.to(at::kDouble).div(norm));
    }
  }
};

/// Norms of blocks by name, as of the last look.
class Norms final : public Monitor {
 public:
  void look(Stack& stack, const Step&) override {
    const std::scoped_lock lock(mutex_);
    for (std::int64_t b = 0; b < stack.size(); ++b) {
      const auto& info = *stack.blocks[static_cast<std::size_t>(b)];
      seen[info.parameter + "/" + info.block] = stack.work.select(0, b).to(at::kDouble).norm().item<double>();
      ++looks;
    }
  }
  std::map<std::string, double> seen;
  int looks = 0;

 private:
  std::mutex mutex_;
};

/// A matrix of each plugin, one of them split in two, and a vector that nobody looks at.
conformance::Setup model(at::ScalarType dtype) {
  MatrixView halves;
  halves.out = {0};
  halves.in = {1};
  halves.split_axis = 0;
  halves.parts = {{"a", {0, 4, 0, 1}}, {"b", {4, 6, 0, 1}}};
  conformance::Setup setup;
  setup.seed = 900;
  setup.items = {{"of_muon", {9, 5}, dtype},
                 {"of_adamw", {10, 6}, dtype, halves, "adamw"},
                 {"of_chunks", {7, 8}, dtype, {}, "probe_coded"},
                 {"of_sgd", {6, 10}, dtype, {}, "sgd"},
                 {"bias", {9}, dtype, {}, "adamw"}};
  return setup;
}

}  // namespace

TEST_CASE("attached: a constraint holds after every step for blocks of any plugin, on any ranks, bit for bit") {
  const auto registry = probed_registry();
  const conformance::Subject subject(registry, *registry.find("muon"));
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    auto setup = model(dtype);
    const auto norms = std::make_shared<Norms>();
    setup.attached = {{.name = "unit_norm",
                       .constraint = std::make_shared<UnitNorm>(),
                       .parameters = {"of_muon", "of_adamw", "of_chunks", "of_sgd"}},
                      {.name = "norms", .monitor = norms, .parameters = {"of_adamw", "of_sgd"}}};
    const auto alone = conformance::run(subject, setup);
    // Rounding each element to the stored dtype moves a norm of 1 by at most its unit roundoff.
    const double tolerance = dtype == at::kBFloat16 ? 4e-3 : dtype == at::kFloat ? 1e-6 : 1e-14;
    const auto norm = [&](const at::Tensor& t) { return t.to(at::kDouble).norm().item<double>(); };
    CHECK(norm(alone.params.at("of_muon")) == doctest::Approx(1).epsilon(tolerance));
    CHECK(norm(alone.params.at("of_chunks")) == doctest::Approx(1).epsilon(tolerance));
    CHECK(norm(alone.params.at("of_adamw").narrow(0, 0, 4)) == doctest::Approx(1).epsilon(tolerance));
    CHECK(norm(alone.params.at("of_adamw").narrow(0, 4, 6)) == doctest::Approx(1).epsilon(tolerance));
    CHECK(norms->seen.size() == 3);
    for (const auto& [name, seen] : norms->seen) CHECK(seen == doctest::Approx(1).epsilon(tolerance));
    CHECK(norms->looks == 3 * setup.steps);
    for (const int ranks : {2, 3}) {
      for (const bool sharded : {false, true}) {
        auto split = setup;
        split.ranks = ranks;
        split.sharded = sharded;
        split.workspace = 1;
        INFO("ranks ", ranks, sharded ? ", sharded, " : ", ", c10::toString(dtype));
        CHECK(first_difference(conformance::run(subject, split), alone) == "");
      }
    }
    auto without = setup;
    without.attached.erase(without.attached.begin());
    CHECK(first_difference(conformance::run(subject, without).params, alone.params) != "");
  }
}

TEST_CASE("attached: a monitor changes nothing") {
  const auto registry = probed_registry();
  const conformance::Subject subject(registry, *registry.find("muon"));
  auto setup = model(at::kBFloat16);
  const auto plain = conformance::run(subject, setup);
  setup.attached = {{.name = "norms", .monitor = std::make_shared<Norms>(), .parameters = {"of_muon", "of_chunks"}}};
  CHECK(first_difference(conformance::run(subject, setup), plain) == "");
}

TEST_CASE("attached: what is unknown, frozen or without roles is refused by name") {
  const auto registry = probed_registry();
  const conformance::Subject subject(registry, *registry.find("muon"));
  for (const auto& [name, why] : {std::pair("nobody", "no parameter"), std::pair("bias", "no roles")}) {
    auto setup = model(at::kFloat);
    setup.attached = {{.name = "unit_norm", .constraint = std::make_shared<UnitNorm>(), .parameters = {name}}};
    const auto said = thrown_by([&] { conformance::Bench(subject, setup); });
    CHECK(said.find("`unit_norm`") != std::string::npos);
    CHECK(said.find(std::string("`") + name + "`") != std::string::npos);
    CHECK(said.find(why) != std::string::npos);
  }
}
