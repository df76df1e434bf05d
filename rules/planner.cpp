#include "rules/planner.h"

#include "rules/canonical.h"
#include "rules/decay_check.h"
#include "rules/option_check.h"
#include "rules/resolve.h"
#include "rules/router.h"

namespace switchyard {

namespace {

std::vector<PlannedGroup> groups_of(const Spec& spec) {
  std::vector<PlannedGroup> out;
  for (const auto& optimizer : spec.optimizers) {
    PlannedGroup group;
    group.id = optimizer.id;
    group.plugin = optimizer.plugin;
    group.lr = optimizer.base(spec.base_lr);
    group.lr_scale = optimizer.lr_scale;
    group.options = optimizer.options;
    for (const auto& [target, id] : optimizer.schedules)
      group.schedules.emplace_back(target, spec.find_schedule(id)->schedule);
    out.push_back(std::move(group));
  }
  return out;
}

void summarize(const Spec& spec, const Routing& routing, Plan& plan) {
  for (std::size_t i = 0; i < spec.rules.size(); ++i) {
    const auto& rule = spec.rules[i];
    const auto& tally = routing.rules[i];
    if (!rule.disabled) plan.rules.push_back({rule.id, rule.use, tally.matched, tally.won, tally.elements, rule.place});
  }
  for (std::size_t i = 0; i < spec.overrides.size(); ++i) {
    const auto& entry = spec.overrides[i];
    if (!entry.disabled) plan.overrides.push_back({entry.id, entry.set.text(), routing.overrides[i].won});
  }
}

}  // namespace

std::optional<Plan> make_plan(const Spec& spec, const ParameterTable& given, const Registry& registry,
                              Diagnostics& diagnostics) {
  Diagnostics found;
  std::optional<ParameterTable> stripped;
  if (!spec.strip.empty()) {
    stripped = canonical_table(given, spec.strip, spec.strip_place, diagnostics);
    if (!stripped) return std::nullopt;
  }
  const auto& table = stripped ? *stripped : given;
  const auto routing = route(spec, table, found);

  Plan plan;
  Resolver resolver(spec, registry);
  plan.parameters.resize(table.size());
  bool good = true;
  for (std::size_t i = 0; i < table.size(); ++i) {
    auto& parameter = plan.parameters[i];
    parameter.info = table[i];
    good = resolver.resolve(routing.routes[i], parameter) && good;
    if (good && !parameter.frozen()) describe_parts(parameter, *registry.find(parameter.plugin));
  }
  resolver.report(found);
  if (good) {
    check_decay(spec, plan.parameters, registry, found);
    check_options(spec, plan.parameters, registry, found);
  }
  found = under_policy(spec.policy, found);
  found.sort();
  diagnostics.append(found);
  if (!good || found.has_errors()) return std::nullopt;

  plan.name = spec.name;
  plan.base_lr = spec.base_lr;
  plan.groups = groups_of(spec);
  plan.gradients = spec.gradients;
  plan.sinks = spec.sinks;
  plan.fallback = spec.fallback;
  summarize(spec, routing, plan);
  plan.diagnostics.append(spec.warnings);
  plan.diagnostics.append(found);
  seal(plan, registry);
  return plan;
}

}  // namespace switchyard
