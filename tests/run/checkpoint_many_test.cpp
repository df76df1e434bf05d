#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/name_index.h"
#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"
#include "tests/support/scratch.h"

/// Checkpoints of many parameters: nothing in them may be looked for by going through all the others.

using namespace switchyard;
using testing::Scratch;

namespace {

std::vector<std::string> many_names(std::size_t count) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back("model.layers." + std::to_string(i / 7) + ".linear_" + std::to_string(i % 7) + ".weight");
  return out;
}

std::vector<NamedTensor> tensors_of(const std::vector<std::string>& names) {
  std::vector<NamedTensor> out;
  for (const auto& name : names) out.push_back({name, at::ones({2}).set_requires_grad(true)});
  return out;
}

ComposedOptimizer optimizer_of(const std::vector<std::string>& names, const std::vector<NamedTensor>& tensors,
                               const Registry& registry) {
  return ComposedOptimizer({{.id = "all", .plugin = "adamw", .parameters = names}}, 0.1, tensors, registry);
}

}  // namespace

TEST_CASE("name index: a search compares about one name, however many there are") {
  for (const std::size_t count : {std::size_t{20}, std::size_t{20000}}) {
    const auto names = many_names(count);
    const auto name_at = [&](std::size_t i) { return std::string_view(names[i]); };
    const NameIndex index(names.size(), name_at);
    std::size_t compared = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      CHECK(index.find(names[i], name_at, &compared) == i);
      CHECK_FALSE(index.find(names[i] + "_", name_at, &compared));
    }
    // One for each that is there; names that share a hash of 64 bits do not happen.
    CHECK(compared == count);
  }
}

TEST_CASE("name index: of equal names the first is found, and an empty one finds nothing") {
  const std::vector<std::string> names = {"b", "a", "b", "a"};
  const auto name_at = [&](std::size_t i) { return std::string_view(names[i]); };
  const NameIndex index(names.size(), name_at);
  CHECK(index.find("a", name_at) == 1);
  CHECK(index.find("b", name_at) == 0);
  CHECK_FALSE(NameIndex().find("a", name_at));
}

TEST_CASE("checkpoint: one of 20,000 parameters has another name: both are told, and nothing has changed") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto registry = builtin_registry();
  auto names = many_names(20000);
  const auto tensors = tensors_of(names);
  auto source = optimizer_of(names, tensors, registry);
  for (const auto& named : tensors) named.tensor.mutable_grad() = at::ones({2});
  source.step();
  source.save(scratch.path("c"));
  auto same = optimizer_of(names, tensors, registry);
  same.load(scratch.path("c"));
  CHECK(same.count(names[12345]) == 1);

  const auto before = names[12345];
  names[12345] = "somewhere.else";
  auto other = optimizer_of(names, tensors_of(names), registry);
  const auto said = thrown_by<CheckpointError>([&] { other.load(scratch.path("c")); });
  INFO(said);
  CHECK(said.find("`" + before + "`") != std::string::npos);
  CHECK(said.find("`somewhere.else`") != std::string::npos);
  CHECK(std::count(said.begin(), said.end(), '\n') <= 3);
  CHECK(other.applied_steps() == 0);
  for (const auto& [name, tensor] : other.state()) {
    if (tensor.any().item<bool>()) FAIL("changed: ", name);
  }
}
