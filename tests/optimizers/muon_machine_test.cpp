// What muon's `dtype: auto` becomes is the machine's, and the machine is a value: both answers are tested everywhere.

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "tests/optimizers/trajectory.h"

using namespace switchyard;
using testing::same_bits;

namespace {

at::Tensor trained(const char* dtype, const Machine& machine, at::ScalarType parameter = at::kFloat) {
  testing::Training training{"muon"};
  training.options = {{"dtype", std::string(dtype)}};
  training.steps = 2;
  training.machine = machine;
  return testing::trajectory(training, {12, 20}, parameter).back();
}

const OptimizerDescriptor& muon(const Registry& registry) { return *registry.find("muon"); }

}  // namespace

TEST_CASE("muon: dtype auto is bfloat16 where the machine is fast at it, else float32") {
  const Machine plain;
  const auto fast = machine_with("a unit");
  CHECK(same_bits(trained("auto", plain), trained("float32", plain)));
  CHECK(same_bits(trained("auto", fast), trained("bfloat16", fast)));
  CHECK_FALSE(same_bits(trained("auto", fast), trained("auto", plain)));
  // What is asked for by name does not ask the machine.
  for (const auto* dtype : {"float32", "bfloat16", "float64"})
    CHECK(same_bits(trained(dtype, fast), trained(dtype, plain)));
}

TEST_CASE("muon: dtype auto is float64 for parameters in double precision, on any machine") {
  const auto expected = trained("float64", {}, at::kDouble);
  CHECK(same_bits(trained("auto", {}, at::kDouble), expected));
  CHECK(same_bits(trained("auto", machine_with("a unit"), at::kDouble), expected));
}

TEST_CASE("muon: what auto becomes is said with its reason, and decides the temporaries that are printed") {
  const auto registry = builtin_registry();
  const auto& descriptor = muon(registry);
  auto values = descriptor.table.defaults();
  const Machine plain;
  const auto fast = machine_with("a unit");
  CHECK(descriptor.resolved(values, plain) == "dtype auto -> float32: " + plain.why);
  CHECK(descriptor.resolved(values, fast) == "dtype auto -> bfloat16: a unit multiplies it and adds in float32");
  CHECK(fast.why != plain.why);
  const auto temporaries = [&](const Machine& machine) {
    return descriptor.scratch(64, 96, Dtype::float32, values, machine);
  };
  const auto of_auto = std::pair(temporaries(plain), temporaries(fast));
  *find_option(values, "dtype") = std::string("float32");
  CHECK(temporaries(plain) == of_auto.first);
  CHECK(temporaries(fast) == of_auto.first);
  CHECK(descriptor.resolved(values, plain).empty());
  *find_option(values, "dtype") = std::string("bfloat16");
  CHECK(temporaries(plain) == of_auto.second);
  CHECK(temporaries(fast) == of_auto.second);
  CHECK(descriptor.resolved(values, fast).empty());
}

TEST_CASE("muon: ranks that resolve auto differently are refused before anything runs") {
  const auto registry = builtin_registry();
  std::vector<std::string> said(2, "nothing");
  ThreadWorld world(2);
  world.run([&](Communicator& communicator) {
    const auto param = testing::first_param({4, 6}).to(at::kFloat).set_requires_grad(true);
    RunOptions options;
    options.communicator = &communicator;
    if (communicator.rank() == 0) options.machine = Machine{};
    if (communicator.rank() == 1) options.machine = machine_with("a unit");
    try {
      const ComposedOptimizer optimizer(std::vector<ParameterGroup>{{.id = "g", .plugin = "muon", .parameters = {"p"}}},
                                        0.02, {{"p", param}}, registry, options);
    } catch (const OptimizerError& error) {
      said[static_cast<std::size_t>(communicator.rank())] = error.what();
    }
  });
  for (const auto& text : said) CHECK(text.find("options that depend on the machine") != std::string::npos);
}
