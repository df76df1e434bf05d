#include "core/plan_from_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace switchyard {

namespace {

std::string suggestion(const std::string& given, const std::vector<std::string>& names) {
  const auto near = nearest(given, names);
  return near.empty() ? fmt::format("known: {}", fmt::join(names, ", ")) : fmt::format("did you mean `{}`?", near);
}

/// The group of the plan, its options complete and checked.
PlannedGroup resolve(const ParameterGroup& group, const OptimizerDescriptor& descriptor, double base_lr,
                     Diagnostics& diagnostics) {
  PlannedGroup planned;
  planned.id = group.id;
  planned.plugin = group.plugin;
  planned.lr = base_lr * group.lr_scale;
  planned.lr_scale = group.lr_scale;
  planned.options = descriptor.table.defaults();
  for (const auto& [name, given] : group.options) {
    const auto* info = descriptor.table.find(name);
    if (info == nullptr) {
      diagnostics
          .error("SWY-1101",
                 fmt::format("group `{}`: unknown option `{}` for plugin `{}`", group.id, name, group.plugin))
          .help = suggestion(name, descriptor.table.names());
      continue;
    }
    auto value = given;
    if (const auto wanted = check_option(*info, value); !wanted.empty()) {
      diagnostics.error("SWY-1102",
                        fmt::format("group `{}`: `{}` is {}, expected {}", group.id, name, to_string(given), wanted));
      continue;
    }
    planned.options.set(name, value);
  }
  for (const auto& [name, schedule] : group.schedules) {
    const auto* info = descriptor.table.find(name);
    if (name != "lr" && (info == nullptr || !info->schedulable)) {
      diagnostics.error(
          "SWY-1103", fmt::format("group `{}`: `{}` of plugin `{}` cannot be scheduled", group.id, name, group.plugin));
      continue;
    }
    planned.schedules.emplace_back(name, schedule);
  }
  std::sort(planned.schedules.begin(), planned.schedules.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  if (descriptor.check) {
    if (const auto problem = descriptor.check(planned.options); !problem.empty()) {
      diagnostics.error("SWY-1104", fmt::format("group `{}`: {}", group.id, problem));
    }
  }
  return planned;
}

}  // namespace

std::optional<Plan> plan_from_groups(const std::vector<ParameterGroup>& groups, double base_lr,
                                     const ParameterTable& table, const Registry& registry, Diagnostics& diagnostics) {
  Plan plan;
  plan.base_lr = base_lr;
  plan.fallback = "error";
  if (!std::isfinite(base_lr) || base_lr < 0) {
    diagnostics.error("SWY-1102", fmt::format("base_lr is {}, expected a number >= 0", shortest(base_lr)));
  }
  std::map<const ParameterInfo*, std::size_t> taken;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto& group = groups[g];
    const auto* descriptor = registry.find(group.plugin);
    if (descriptor == nullptr) {
      diagnostics.error("SWY-1017", fmt::format("group `{}`: unknown plugin `{}`", group.id, group.plugin)).help =
          suggestion(group.plugin, registry.names());
    }
    if (plan.find_group(group.id) != nullptr)
      diagnostics.error("SWY-2008", fmt::format("two groups are called `{}`", group.id));
    if (!std::isfinite(group.lr_scale) || group.lr_scale < 0) {
      diagnostics.error("SWY-1102", fmt::format("group `{}`: lr_scale is {}, expected a number >= 0", group.id,
                                                shortest(group.lr_scale)));
    }
    plan.groups.push_back(descriptor == nullptr ? PlannedGroup{} : resolve(group, *descriptor, base_lr, diagnostics));
    for (const auto& name : group.parameters) {
      const auto* info = table.find(name);
      if (info == nullptr) {
        std::vector<std::string> names;
        for (const auto& parameter : table.parameters()) names.push_back(parameter.name());
        diagnostics.error("SWY-2005", fmt::format("group `{}` names `{}`, which is not a parameter", group.id, name))
            .help = "nearest: " + nearest(name, names);
        continue;
      }
      const auto [found, inserted] = taken.emplace(info, g);
      if (!inserted && found->second != g) {
        diagnostics.error("SWY-2006", fmt::format("`{}` is in the groups `{}` and `{}`", info->name(),
                                                  groups[found->second].id, group.id));
      }
    }
  }
  std::string homeless;
  for (const auto& info : table.parameters()) {
    PlannedParameter planned;
    planned.info = info;
    const auto home = taken.find(&info);
    if (home == taken.end() || !info.requires_grad) {
      if (info.requires_grad) homeless += (homeless.empty() ? "" : ", ") + info.name();
      planned.rule = home == taken.end() ? "fallback" : groups[home->second].id;
      planned.optimizer = "freeze";
      planned.reason = "requires_grad is false";
      plan.parameters.push_back(std::move(planned));
      continue;
    }
    const auto& group = groups[home->second];
    const auto& planned_group = plan.groups[home->second];
    const auto* descriptor = registry.find(group.plugin);
    if (descriptor == nullptr) continue;
    planned.rule = group.id;
    planned.optimizer = group.id;
    planned.plugin = group.plugin;
    planned.reason = fmt::format("listed in group {}", group.id);
    planned.settings = planned_group.options;
    planned.factors.base = planned_group.lr;
    if (!trainable(info.dtype)) {
      diagnostics
          .error("SWY-2007",
                 fmt::format("`{}` is {}, which cannot be trained; freeze it", info.name(), info.dtype_name))
          .subject = info.name();
    }
    if (descriptor->needs_matrix()) {
      auto view = default_view(info.shape.size(), info.module);
      for (const auto& name : info.names) {
        if (const auto given = group.views.find(name); given != group.views.end()) view = given->second;
      }
      if (!view) {
        auto& finding =
            diagnostics.error("SWY-2021", fmt::format("`{}` has shape {}: plugin `{}` needs roles for its axes",
                                                      info.name(), to_string(info.shape), group.plugin));
        finding.subject = info.name();
        finding.help = "give a view with out and in axes, or put it in a group of an element-wise plugin";
        continue;
      }
      planned.view = *view;
    }
    describe_parts(planned, *descriptor);
    plan.parameters.push_back(std::move(planned));
  }
  if (!homeless.empty())
    diagnostics.error("SWY-2003", "parameters in no group: " + homeless).help = "add them to a group, or freeze them";
  if (diagnostics.has_errors()) return std::nullopt;
  plan.diagnostics = diagnostics;
  seal(plan, registry);
  return plan;
}

}  // namespace switchyard
