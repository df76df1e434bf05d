#include "core/registry.h"

#include <doctest/doctest.h>

#include "core/error.h"

namespace switchyard {
class Optimizer {};  // stands for the class that only programs with tensors have
}  // namespace switchyard

using namespace switchyard;

namespace registry_test {

struct Options {
  double momentum = 0.95;
  bool nesterov = true;
  std::int64_t block_size = 256;
  ShapeScale scale = ShapeScale::spectral;
};
constexpr auto describe(of<Options>) {
  return options(option("momentum", &Options::momentum, half_open(0, 1), ""),
                 option("nesterov", &Options::nesterov, ""),
                 option("block_size", &Options::block_size, at_least(1), ""),
                 option("scale", &Options::scale, "").role(OptionRole::shape_scale));
}

OptimizerDescriptor descriptor(const std::string& name) {
  OptimizerDescriptor out;
  out.name = name;
  out.table = option_table<Options>();
  return out;
}

std::string refusal(OptimizerDescriptor descriptor) {
  Registry registry;
  try {
    registry.add(std::move(descriptor));
  } catch (const OptimizerError& error) {
    return error.what();
  }
  return "";
}

}  // namespace registry_test

using registry_test::descriptor;
using registry_test::refusal;

TEST_CASE("registry: plugins are found by name and listed in order") {
  Registry registry;
  for (const auto* name : {"muon", "adamw", "sgd", "adamw8bit"}) registry.add(descriptor(name));
  CHECK(registry.names() == std::vector<std::string>{"adamw", "adamw8bit", "muon", "sgd"});
  REQUIRE(registry.find("muon") != nullptr);
  CHECK(registry.find("muon")->name == "muon");
  CHECK(registry.find("Muon") == nullptr);
  CHECK(registry.find("") == nullptr);
  CHECK_THROWS_AS(registry.add(descriptor("muon")), OptimizerError);
  CHECK(registry.optimizers().size() == 4);
}

TEST_CASE("registry: a descriptor that contradicts itself is refused with every reason") {
  CHECK(refusal(descriptor("muon")).empty());
  CHECK(refusal(descriptor("")).find("name") != std::string::npos);
  CHECK(refusal(descriptor("Muon")).find("name") != std::string::npos);
  CHECK(refusal(descriptor("a-b")).find("name") != std::string::npos);
  auto bad = descriptor("muon");
  bad.slots = {{.name = "buffer", .when = "no_such_option"},
               {.name = "Bad", .shape = SlotShape::out_by_out},
               {.name = "q", .shape = SlotShape::per_chunk},
               {.name = "eye", .identity = true},
               {.name = "coded", .codec = "zip"}};
  bad.traits.unit = Unit::element;
  const auto text = refusal(bad);
  CHECK(text.find("`no_such_option`") != std::string::npos);
  CHECK(text.find("`Bad` must be named") != std::string::npos);
  CHECK(text.find("`Bad` belongs to blocks") != std::string::npos);
  CHECK(text.find("`q` is per chunk") != std::string::npos);
  CHECK(text.find("`eye` starts as the identity but is not a square matrix") != std::string::npos);
  CHECK(text.find("codec `zip`, which is not one of absmax_u8") != std::string::npos);
  CHECK(text.find("`coded` is encoded by chunks") != std::string::npos);
  auto runs = descriptor("runs");
  runs.traits.unit = Unit::chunk;
  CHECK(refusal(runs).find("at least 1") != std::string::npos);
  runs.traits.chunk_option = "momentum";
  CHECK(refusal(runs).find("`momentum`") != std::string::npos);
  runs.traits.chunk_option = "block_size";
  CHECK(refusal(runs).empty());
}

TEST_CASE("registry: slots exist while their option is truthy, and where their size says so") {
  const auto muon = descriptor("muon");
  auto values = muon.table.defaults();
  const Slot always{.name = "always"};
  const Slot sometimes{.name = "sometimes", .when = "momentum"};
  CHECK(always.active(values));
  CHECK(sometimes.active(values));
  *find_option(values, "momentum") = 0.0;
  CHECK(always.active(values));
  CHECK_FALSE(sometimes.active(values));
  Slot large = always;
  large.exists = [](const OptionValues&, std::int64_t out, std::int64_t in) { return out * in >= 100; };
  CHECK(large.active(values));
  CHECK(large.active(values, 10, 10));
  CHECK_FALSE(large.active(values, 9, 11));
}

TEST_CASE("registry: what the engine does not do is refused in a plugin that runs, and read in a description") {
  auto plugin = descriptor("p");
  plugin.traits.unit = Unit::row;
  plugin.traits.predicated = true;
  plugin.traits.upholds = {"stiefel"};
  CHECK(refusal(plugin).empty());
  plugin.make = []() -> std::unique_ptr<Optimizer> { throw std::logic_error("never called"); };
  const auto text = refusal(plugin);
  CHECK(text.find("`predicated` does nothing") != std::string::npos);
  CHECK(text.find("`upholds` does nothing") != std::string::npos);
  CHECK(text.find("declare a matrix") != std::string::npos);
}

TEST_CASE("registry: chunks and scales follow the options") {
  auto plugin = descriptor("p");
  auto values = plugin.table.defaults();
  CHECK(plugin.chunk_length(values) == 1);
  plugin.traits.unit = Unit::chunk;
  plugin.traits.chunk = 64;
  CHECK(plugin.chunk_length(values) == 64);
  plugin.traits.chunk_option = "block_size";
  CHECK(plugin.chunk_length(values) == 256);
  CHECK(plugin.scale(values, 16, 4) == 2.0);
  *find_option(values, "scale") = std::string("none");
  CHECK(plugin.scale(values, 16, 4) == 1.0);
  OptimizerDescriptor none;
  CHECK(none.scale({}, 16, 4) == 1.0);
  CHECK_FALSE(none.needs_matrix());
  none.traits.unit = Unit::row;
  CHECK(none.needs_matrix());
}
