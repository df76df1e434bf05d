#include "core/registry.h"

#include <doctest/doctest.h>

#include "core/error.h"

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
  bad.slots = {{"buffer", SlotShape::like_param, "no_such_option", 0},
               {"Bad", SlotShape::out_by_out, "", 0},
               {"q", SlotShape::per_run, "", 0}};
  bad.traits.unit = Unit::element;
  const auto text = refusal(bad);
  CHECK(text.find("`no_such_option`") != std::string::npos);
  CHECK(text.find("`Bad` must be named") != std::string::npos);
  CHECK(text.find("`Bad` belongs to blocks") != std::string::npos);
  CHECK(text.find("`q` is per run") != std::string::npos);
  auto runs = descriptor("runs");
  runs.traits.unit = Unit::run;
  CHECK(refusal(runs).find("at least 1") != std::string::npos);
  runs.traits.run_option = "momentum";
  CHECK(refusal(runs).find("`momentum`") != std::string::npos);
  runs.traits.run_option = "block_size";
  CHECK(refusal(runs).empty());
}

TEST_CASE("registry: slots exist while their option is truthy") {
  auto muon = descriptor("muon");
  muon.slots = {{"always", SlotShape::like_param, "", 0}, {"sometimes", SlotShape::like_param, "momentum", 0}};
  auto values = muon.table.defaults();
  CHECK(muon.active_slots(values).size() == 2);
  *find_option(values, "momentum") = 0.0;
  REQUIRE(muon.active_slots(values).size() == 1);
  CHECK(muon.active_slots(values)[0].name == "always");
}

TEST_CASE("registry: runs and scales follow the options") {
  auto plugin = descriptor("p");
  auto values = plugin.table.defaults();
  CHECK(plugin.run_length(values) == 1);
  plugin.traits.unit = Unit::run;
  plugin.traits.run = 64;
  CHECK(plugin.run_length(values) == 64);
  plugin.traits.run_option = "block_size";
  CHECK(plugin.run_length(values) == 256);
  CHECK(plugin.scale(values, 16, 4) == 2.0);
  *find_option(values, "scale") = std::string("none");
  CHECK(plugin.scale(values, 16, 4) == 1.0);
  OptimizerDescriptor none;
  CHECK(none.scale({}, 16, 4) == 1.0);
  CHECK_FALSE(none.needs_matrix());
  none.traits.unit = Unit::row;
  CHECK(none.needs_matrix());
}
