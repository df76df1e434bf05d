// Options may be written before every step, so a plugin's check must not run for settings that it has seen.

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <memory>

#include "core/run/composed_optimizer.h"

using namespace switchyard;

TEST_CASE("groups: momentum written before each step asks the plugin's check once for each value") {
  auto calls = std::make_shared<int>(0);
  const auto builtin = builtin_registry();
  auto descriptor = *builtin.find("sgd");
  descriptor.check = [calls](const OptionValues& values) -> std::string {
    ++*calls;
    return std::get<double>(*find_option(values, "momentum")) == 0.875 ? "seven eighths are too much" : "";
  };
  Registry registry;
  registry.add(descriptor);
  const auto weight = at::ones({3}).set_requires_grad(true);
  weight.mutable_grad() = at::ones({3});
  ComposedOptimizer optimizer({{.id = "g", .plugin = "sgd", .parameters = {"weight"}, .options = {{"momentum", 0.5}}}},
                              0.1, {{"weight", weight}}, registry);
  auto group = optimizer.group("g");
  const auto planning = *calls;
  for (int step = 0; step < 200; ++step) {
    group.set("momentum", 0.25 + 0.0625 * (step % 8));
    CHECK(optimizer.step().applied);
  }
  CHECK(*calls - planning <= 8);
  for (int time = 0; time < 3; ++time) CHECK_THROWS_AS(group.set("momentum", 0.875), OptimizerError);
  CHECK(*calls - planning <= 9);
  CHECK(std::get<double>(*find_option(group.options(), "momentum")) != 0.875);
}
