#include "core/run/rate_table.h"

#include <doctest/doctest.h>

#include "tests/probes/probes.h"

using namespace switchyard;

namespace {

/// A parameter of `plugin` with these factors of its learning rate and decay.
ParameterState parameter_of(const OptimizerDescriptor& descriptor, double scale, double decay_scale,
                            const std::string& mode = "decoupled") {
  ParameterState out;
  out.descriptor = &descriptor;
  out.planned.plugin = descriptor.name;
  out.planned.factors.rule = scale;
  out.planned.decay_scale = decay_scale;
  auto values = descriptor.table.defaults();
  *find_option(values, "weight_decay") = 0.1 * decay_scale;
  *find_option(values, "decay") = mode;
  out.planned.settings = values;
  return out;
}

Schedule steps(double first, double later) {
  Schedule out;
  out.kind = Schedule::Kind::piecewise;
  out.points = {{0, first}, {5, later}};
  return out;
}

}  // namespace

TEST_CASE("rate table: rates follow base, schedule, factors and both kinds of decay") {
  const auto registry = builtin_registry();
  const auto& adamw = *registry.find("adamw");
  PlannedGroup group;
  group.lr = 0.5;
  group.schedules = {{"lr", steps(1, 0.25)}};
  RateTable table;
  const auto plain = table.row_of(parameter_of(adamw, 1, 1), group);
  const auto scaled = table.row_of(parameter_of(adamw, 3, 2), group);
  const auto independent = table.row_of(parameter_of(adamw, 3, 2, "independent"), group);
  for (const std::int64_t t : {0, 5}) {
    const double factor = t == 0 ? 1 : 0.25;
    table.evaluate(t);
    CHECK(table[plain].lr == 0.5 * factor);
    CHECK(table[plain].decay == 0.5 * factor * 0.1);
    CHECK(table[scaled].lr == 1.5 * factor);
    CHECK(table[scaled].decay == 1.5 * factor * 0.2);
    CHECK(table[independent].lr == 1.5 * factor);
    CHECK(table[independent].decay == factor * 0.2);
  }
  group.lr = 2;  // a live rate counts from the next evaluation on
  table.evaluate(0);
  CHECK(table[plain].lr == 2);
}

TEST_CASE("rate table: a schedule of the decay is multiplied by the parameter's scale, unless a rule fixed the decay") {
  const auto registry = builtin_registry();
  PlannedGroup group;
  group.lr = 1;
  group.schedules = {{"weight_decay", steps(0.5, 0.75)}};
  auto fixed = parameter_of(*registry.find("adamw"), 1, 4);
  fixed.planned.own_settings = {"weight_decay"};
  RateTable table;
  const auto driven = table.row_of(parameter_of(*registry.find("adamw"), 1, 4), group);
  const auto held = table.row_of(fixed, group);
  table.evaluate(5);
  CHECK(table[driven].decay == 0.75 * 4);
  CHECK(table[held].decay == 0.1 * 4);
}

TEST_CASE("rate table: equal rates share a row") {
  const auto registry = builtin_registry();
  PlannedGroup group, other;
  RateTable table;
  const auto one = table.row_of(parameter_of(*registry.find("adamw"), 2, 1), group);
  CHECK(table.row_of(parameter_of(*registry.find("adamw"), 2, 1), group) == one);
  CHECK(table.row_of(parameter_of(*registry.find("adamw"), 3, 1), group) != one);
  CHECK(table.row_of(parameter_of(*registry.find("adamw"), 2, 0.5), group) != one);
  CHECK(table.row_of(parameter_of(*registry.find("adamw"), 2, 1), other) != one);
  table.clear();
  CHECK(table.row_of(parameter_of(*registry.find("adamw"), 3, 1), group) == 0);
}
