#include "core/plan_from_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "core/schedule_check.h"
#include "core/view_check.h"

namespace switchyard {

namespace {

constexpr std::size_t most_listed = 20;
constexpr std::size_t most_compared = 20'000;  // names of a model, for the nearest

/// "did you mean `lr`?", "" if nothing is near.
std::string near(const std::string& given, const std::vector<std::string>& names) {
  const auto found = nearest(given, names);
  return found.empty() ? "" : fmt::format("did you mean `{}`?", found);
}

std::string suggestion(const std::string& given, const std::vector<std::string>& names) {
  auto help = near(given, names);
  if (!help.empty() || names.size() > most_listed) return help;
  return fmt::format("known: {}", fmt::join(names, ", "));
}

class GroupPlanner {
 public:
  GroupPlanner(const std::vector<ParameterGroup>& groups, double base_lr, const ParameterTable& table,
               const Registry& registry, Diagnostics& diagnostics)
      : groups_(groups), table_(table), registry_(registry), diagnostics_(diagnostics) {
    plan_.base_lr = base_lr;
    plan_.fallback = "error";
  }

  std::optional<Plan> run() {
    if (!std::isfinite(*plan_.base_lr) || *plan_.base_lr < 0) {
      diagnostics_.error("SWY-1102", fmt::format("base_lr is {}, expected a number >= 0", shortest(*plan_.base_lr)));
    }
    std::set<std::string> ids;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      check_id(groups_[i], i, ids);
      plan_.groups.push_back(options_of(groups_[i]));
      take(groups_[i], i);
    }
    for (const auto& info : table_.parameters()) plan_.parameters.push_back(planned(info));
    if (!homeless_.empty()) {
      auto& finding = diagnostics_.error("SWY-2003", fmt::format("{} parameter{} in no group", homeless_.size(),
                                                                 homeless_.size() == 1 ? " is" : "s are"));
      finding.notes.assign(homeless_.begin(),
                           homeless_.begin() + static_cast<std::ptrdiff_t>(std::min(homeless_.size(), most_listed)));
      if (homeless_.size() > most_listed)
        finding.notes.push_back(fmt::format("and {} more", homeless_.size() - most_listed));
      finding.help = "add them to a group, or freeze them with requires_grad false";
    }
    if (diagnostics_.has_errors()) return std::nullopt;
    plan_.diagnostics = diagnostics_;
    seal(plan_, registry_);
    return std::move(plan_);
  }

 private:
  Diagnostic& error(const ParameterGroup& group, const char* code, const std::string& message) {
    return diagnostics_.error(code, fmt::format("group `{}`: {}", group.id, message));
  }

  void check_id(const ParameterGroup& group, std::size_t index, std::set<std::string>& ids) {
    if (group.id.empty()) {
      diagnostics_.error("SWY-1019", fmt::format("group {} has no id", index));
    } else if (group.id == "error" || group.id == "freeze" || group.id == "fallback") {
      diagnostics_.error("SWY-1013", fmt::format("a group cannot be called `{}`", group.id)).help =
          "plans need the words error, freeze and fallback for themselves";
    } else if (!ids.insert(group.id).second) {
      diagnostics_.error("SWY-1015", fmt::format("two groups are called `{}`", group.id));
    }
    if (group.parameters.empty())
      diagnostics_.warning("SWY-2008", fmt::format("group `{}` has no parameters", group.id), {});
  }

  /// The group of the plan, its options complete and checked.
  PlannedGroup options_of(const ParameterGroup& group) {
    PlannedGroup out;
    out.id = group.id;
    out.plugin = group.plugin;
    out.lr = *plan_.base_lr * group.lr_scale;
    out.lr_scale = group.lr_scale;
    if (!std::isfinite(group.lr_scale) || group.lr_scale < 0) {
      error(group, "SWY-1102", fmt::format("lr_scale is {}, expected a number >= 0", shortest(group.lr_scale)));
    } else if (std::isfinite(*plan_.base_lr) && !std::isfinite(out.lr)) {
      error(group, "SWY-1102",
            fmt::format("base_lr {} x lr_scale {} is beyond a double", shortest(*plan_.base_lr),
                        shortest(group.lr_scale)));
    }
    const auto* plugin = registry_.find(group.plugin);
    if (plugin == nullptr) {
      error(group, "SWY-1017", fmt::format("unknown plugin `{}`", group.plugin)).help =
          suggestion(group.plugin, registry_.names());
      return out;
    }
    out.options = plugin->table.defaults();
    bool good = true;
    std::set<std::string> seen;
    for (const auto& [name, given] : group.options) {
      const bool first = seen.insert(name).second;
      if (!first) error(group, "SWY-1015", fmt::format("the option `{}` is given twice", name));
      good = first && set_option(group, *plugin, name, given, out) && good;
    }
    if (good && plugin->check) {
      if (const auto problem = plugin->check(out.options); !problem.empty()) error(group, "SWY-1103", problem);
    }
    for (const auto& [name, schedule] : group.schedules) set_schedule(group, *plugin, name, schedule, out);
    std::sort(out.schedules.begin(), out.schedules.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return out;
  }

  bool set_option(const ParameterGroup& group, const OptimizerDescriptor& plugin, const std::string& name,
                  const OptionValue& given, PlannedGroup& out) {
    const auto* option = plugin.table.find(name);
    if (option == nullptr) {
      error(group, "SWY-1101", fmt::format("unknown option `{}` for plugin `{}`", name, plugin.name)).help =
          suggestion(name, plugin.table.names());
      return false;
    }
    auto value = given;
    if (const auto wanted = check_option(*option, value); !wanted.empty()) {
      error(group, "SWY-1102", fmt::format("`{}` is {}, expected {}", name, to_string(given), wanted));
      return false;
    }
    out.options.set(name, value);
    return true;
  }

  void set_schedule(const ParameterGroup& group, const OptimizerDescriptor& plugin, const std::string& name,
                    const Schedule& schedule, PlannedGroup& out) {
    const auto* option = plugin.table.find(name);
    if (name != "lr" && (option == nullptr || !option->schedulable)) {
      std::vector<std::string> legal = {"lr"};
      for (const auto& one : plugin.table.options) {
        if (one.schedulable) legal.push_back(one.name);
      }
      const auto meant = option == nullptr ? near(name, legal) : "";
      error(group, option == nullptr ? "SWY-1101" : "SWY-1104",
            option == nullptr ? fmt::format("unknown option `{}` for plugin `{}`", name, plugin.name)
                              : fmt::format("`{}` of plugin `{}` cannot follow a schedule", name, plugin.name))
          .help = fmt::format("{}{}can be scheduled: {}", meant, meant.empty() ? "" : "   ", fmt::join(legal, ", "));
      return;
    }
    const auto same = [&](const auto& entry) { return entry.first == name; };
    if (std::any_of(out.schedules.begin(), out.schedules.end(), same)) {
      error(group, "SWY-1015", fmt::format("`{}` has two schedules", name));
      return;
    }
    out.schedules.emplace_back(name, schedule);
    if (const auto problem = schedule_problem(schedule); !problem.empty()) {
      error(group, "SWY-1110", fmt::format("the schedule of `{}`: {}", name, problem));
    } else if (!accepts_schedule(name == "lr" ? nullptr : option, schedule)) {
      const auto [low, high] = range(schedule);
      error(group, "SWY-1105",
            fmt::format("the schedule of `{}` takes values from {} to {}, expected {}", name, shortest(low),
                        shortest(high), name == "lr" ? "a factor from 0 with peak 1" : expected(*option)));
    }
  }

  /// The tensor that a name in a group means; reports if there is none.
  const ParameterInfo* named(const ParameterGroup& group, const std::string& name, const char* where) {
    const auto* info = table_.find(name);
    if (info != nullptr) return info;
    auto& finding = error(group, "SWY-2201", fmt::format("{} `{}`, which is not a parameter", where, name));
    finding.subject = name;
    if (table_.name_count() > most_compared || ++unknown_ > most_listed) return nullptr;
    if (names_.empty()) {
      for (const auto& parameter : table_.parameters())
        names_.insert(names_.end(), parameter.names.begin(), parameter.names.end());
    }
    finding.help = suggestion(name, names_);
    return nullptr;
  }

  void take(const ParameterGroup& group, std::size_t index) {
    std::set<const ParameterInfo*> own;
    for (const auto& name : group.parameters) {
      const auto* info = named(group, name, "it names");
      if (info == nullptr || !own.insert(info).second) continue;
      const auto [found, inserted] = taken_.emplace(info, index);
      if (inserted) continue;
      diagnostics_
          .error("SWY-2202",
                 fmt::format("`{}` is in the groups `{}` and `{}`", info->name(), groups_[found->second].id, group.id))
          .subject = info->name();
    }
    const auto frozen = [](const ParameterInfo* info) { return !info->requires_grad; };
    if (!own.empty() && std::all_of(own.begin(), own.end(), frozen)) {
      diagnostics_.note("SWY-2005", fmt::format("group `{}` has only frozen parameters ({})", group.id, own.size()));
    }
    for (const auto& [name, view] : group.views) {
      const auto* info = named(group, name, "a view is given for");
      if (info != nullptr) take_view(group, name, view, *info, own.count(info) > 0);
    }
  }

  void take_view(const ParameterGroup& group, const std::string& name, const MatrixView& view,
                 const ParameterInfo& info, bool own) {
    const char* code = "SWY-2203";
    std::string problem;
    if (!own) {
      code = "SWY-2201";
      problem = fmt::format("a view is given for `{}`, which is not in it", name);
    } else if (const auto misfit = view_problem(view, info.shape); !misfit.empty()) {
      problem = fmt::format("the view of `{}` {}: {}", name, to_string(info.shape), misfit);
    } else if (const auto [other, first] = views_.emplace(&info, &view); !first && !(*other->second == view)) {
      problem = fmt::format("`{}` has two views under two of its names", info.name());
    }
    if (!problem.empty()) error(group, code, problem).subject = name;
  }

  PlannedParameter planned(const ParameterInfo& info) {
    PlannedParameter out;
    out.info = info;
    const auto home = taken_.find(&info);
    out.rule = home == taken_.end() ? "fallback" : groups_[home->second].id;
    if (home == taken_.end() || !info.requires_grad) {
      if (info.requires_grad) homeless_.push_back(info.name());
      out.optimizer = "freeze";
      out.reason = "requires_grad is false";
      return out;
    }
    const auto& group = groups_[home->second];
    const auto* plugin = registry_.find(group.plugin);
    if (plugin == nullptr) return out;
    out.optimizer = group.id;
    out.plugin = group.plugin;
    out.reason = fmt::format("listed in group {}", group.id);
    out.settings = plan_.groups[home->second].options;
    out.factors.base = plan_.groups[home->second].lr;
    if (!trainable(info.dtype)) {
      error(group, "SWY-2007",
            fmt::format("`{}` is {}, which no plugin trains; freeze it", info.name(), info.dtype_name))
          .subject = info.name();
      return out;
    }
    if (set_view(group, *plugin, info, out)) describe_parts(out, *plugin);
    return out;
  }

  bool set_view(const ParameterGroup& group, const OptimizerDescriptor& plugin, const ParameterInfo& info,
                PlannedParameter& out) {
    if (const auto given = views_.find(&info); given != views_.end()) {
      out.view = *given->second;
      return true;
    }
    if (auto view = default_view(info.shape.size(), info.module)) {
      out.view = std::move(*view);
      return true;
    }
    if (!plugin.needs_matrix()) return true;  // without roles no constraint or monitor can be attached to it
    const auto broken = [&](const std::string& name) { return group.views.count(name) > 0; };
    if (std::any_of(info.names.begin(), info.names.end(), broken)) return false;  // and reported
    const bool vector = info.shape.size() < 2;
    auto& finding = error(group, vector ? "SWY-2022" : "SWY-2021",
                          fmt::format("plugin `{}` {} `{}` {}", plugin.name,
                                      vector ? "works on matrices, not on" : "needs roles for the axes of", info.name(),
                                      to_string(info.shape)));
    finding.subject = info.name();
    finding.help = vector ? "put it in a group of an element-wise plugin"
                          : "give a view with out and in axes, or put it in a group of an element-wise plugin";
    return false;
  }

  const std::vector<ParameterGroup>& groups_;
  const ParameterTable& table_;
  const Registry& registry_;
  Diagnostics& diagnostics_;
  Plan plan_;
  std::map<const ParameterInfo*, std::size_t> taken_;        ///< by tensor: index of its group
  std::map<const ParameterInfo*, const MatrixView*> views_;  ///< those that fit
  std::vector<std::string> homeless_;
  std::vector<std::string> names_;  ///< all names of the model, once they are needed
  std::size_t unknown_ = 0;
};

}  // namespace

std::optional<Plan> plan_from_groups(const std::vector<ParameterGroup>& groups, double base_lr,
                                     const ParameterTable& table, const Registry& registry, Diagnostics& diagnostics) {
  return GroupPlanner(groups, base_lr, table, registry, diagnostics).run();
}

}  // namespace switchyard
