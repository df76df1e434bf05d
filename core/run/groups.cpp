#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/run/composed_impl.h"

namespace switchyard {

namespace {

const Schedule* schedule_of(const PlannedGroup& group, const std::string& name) {
  for (const auto& [option, schedule] : group.schedules) {
    if (option == name) return &schedule;
  }
  return nullptr;
}

/// Whether the same state exists under both, for a model with these parameters.
bool same_state(const OptimizerDescriptor& descriptor, const std::vector<ParameterState>& parameters, std::size_t group,
                const OptionValues& a, const OptionValues& b) {
  if (descriptor.chunk_length(a) != descriptor.chunk_length(b)) return false;
  for (const auto& slot : descriptor.slots) {
    if (slot.active(a) != slot.active(b)) return false;
    if (!slot.exists) continue;
    for (const auto& parameter : parameters) {
      if (parameter.frozen() || parameter.group != group) continue;
      const auto numel = parameter.planned.info.numel();
      if (!owner_slot(slot.shape) && slot.active(a, numel, 1) != slot.active(b, numel, 1)) return false;
      for (const auto& part : parameter.planned.parts) {
        if (owner_slot(slot.shape) && slot.active(a, part.out, part.in) != slot.active(b, part.out, part.in))
          return false;
      }
    }
  }
  return true;
}

}  // namespace

const Plan& ComposedOptimizer::Impl::current_plan() {
  if (stale) {
    for (const auto& parameter : parameters) plan.parameters[parameter.order] = parameter.planned;
    seal(plan, registry);
    stale = false;
  }
  return plan;
}

void ComposedOptimizer::Impl::set_group_lr(std::size_t group, double lr) {
  if (!std::isfinite(lr) || lr < 0) throw OptimizerError(fmt::format("lr is {}, expected a finite number >= 0", lr));
  plan.groups[group].lr = lr;
  for (auto& parameter : parameters) {
    if (!parameter.frozen() && parameter.group == group) parameter.planned.factors.base = lr;
  }
  stale = true;
  live_changed = true;
}

OptionValues ComposedOptimizer::Impl::checked_options(std::size_t index, const OptionWrites& writes) const {
  const auto& group = plan.groups[index];
  const auto& descriptor = *registry.find(group.plugin);
  OptionValues next = group.options;
  for (const auto& [option, given] : writes) {
    const auto* info = descriptor.table.find(option);
    if (info == nullptr) {
      const auto near = nearest(option, descriptor.table.names());
      throw OptimizerError(fmt::format("group `{}` ({}) has no option `{}`{}", group.id, group.plugin, option,
                                       near.empty() ? "" : "; did you mean `" + near + "`?"));
    }
    if (schedule_of(group, option) != nullptr) {
      throw OptimizerError(fmt::format("`{}` of group `{}` is driven by a schedule; leave the schedule out to write it",
                                       option, group.id));
    }
    auto value = given;
    if (const auto wanted = check_option(*info, value); !wanted.empty()) {
      throw OptimizerError(
          fmt::format("`{}` of group `{}` cannot be {}, expected {}", option, group.id, to_string(given), wanted));
    }
    *find_option(next, option) = value;
    OptionValues alone = group.options;
    *find_option(alone, option) = value;
    if (!same_state(descriptor, parameters, index, alone, group.options)) {
      throw OptimizerError(
          fmt::format("`{}` of group `{}` decides which state exists; changing it to {} needs a new plan", option,
                      group.id, to_string(value)));
    }
  }
  if (descriptor.check) {
    if (const auto problem = descriptor.check(next); !problem.empty())
      throw OptimizerError(fmt::format("group `{}`: {}", group.id, problem));
  }
  return next;
}

void ComposedOptimizer::Impl::take_options(std::size_t index, const OptionWrites& writes) {
  auto& group = plan.groups[index];
  const auto& descriptor = *registry.find(group.plugin);
  group.options = checked_options(index, writes);
  for (auto& parameter : parameters) {
    if (parameter.frozen() || parameter.group != index) continue;
    const auto& own = parameter.planned.own_settings;
    for (const auto& [option, given] : writes) {
      if (std::find(own.begin(), own.end(), option) != own.end()) continue;
      auto local = *find_option(group.options, option);
      if (descriptor.table.find(option)->role == OptionRole::weight_decay)
        std::get<double>(local) *= parameter.planned.decay_scale;
      parameter.planned.settings.set(option, local);
    }
    describe_parts(parameter.planned, descriptor);
  }
  stale = true;
  changed = true;
  live_changed = true;
}

std::vector<Group> ComposedOptimizer::groups() {
  std::vector<Group> out;
  for (std::size_t i = 0; i < impl().plan.groups.size(); ++i) out.push_back(Group(impl_, i));
  return out;
}

Group ComposedOptimizer::group(const std::string& id) {
  std::vector<std::string> ids;
  for (const auto& group : impl().plan.groups) {
    ids.push_back(group.id);
    if (ids.back() == id) return Group(impl_, ids.size() - 1);
  }
  throw OptimizerError(fmt::format("no group is called `{}`; groups: {}", id, fmt::join(ids, ", ")));
}

void ComposedOptimizer::set_lr(double base_lr) {
  auto& own = impl();
  if (!own.plan.base_lr) throw OptimizerError("the plan has no base_lr; set the lr of each group instead");
  if (!std::isfinite(base_lr) || base_lr < 0)
    throw OptimizerError(fmt::format("base_lr is {}, expected a finite number >= 0", base_lr));
  own.plan.base_lr = base_lr;
  for (std::size_t i = 0; i < own.plan.groups.size(); ++i) {
    if (own.plan.groups[i].lr_scale) own.set_group_lr(i, base_lr * *own.plan.groups[i].lr_scale);
  }
}

std::shared_ptr<ComposedOptimizer::Impl> Group::impl() const {
  auto own = impl_.lock();
  if (!own) throw OptimizerError("this group's optimizer does not exist any more");
  return own;
}

const std::string& Group::id() const { return impl()->plan.groups[index_].id; }
const std::string& Group::plugin() const { return impl()->plan.groups[index_].plugin; }

std::vector<std::string> Group::parameters() const {
  std::vector<std::string> out;
  const auto own = impl();
  for (const auto& parameter : own->parameters) {
    if (!parameter.frozen() && parameter.group == index_) out.push_back(parameter.name());
  }
  return out;
}

OptionValues Group::options() const {
  const auto own = impl();
  const auto& group = own->plan.groups[index_];
  OptionValues values = group.options;
  for (const auto& [name, schedule] : group.schedules) {
    if (auto* value = find_option(values, name)) *value = schedule(own->t);
  }
  return values;
}

double Group::base_lr() const { return impl()->plan.groups[index_].lr; }

double Group::lr() const {
  const auto own = impl();
  const auto* schedule = schedule_of(own->plan.groups[index_], "lr");
  return base_lr() * (schedule == nullptr ? 1.0 : (*schedule)(own->t));
}

void Group::set_lr(double lr) { impl()->set_group_lr(index_, lr); }
void Group::set(const std::string& option, const OptionValue& value) {
  impl()->take_options(index_, {{option, value}});
}

}  // namespace switchyard
