#include "core/run/rate_table.h"

#include <algorithm>

namespace switchyard {

namespace {

/// The schedule that drives an option (or lr) of a parameter; null if none does.
const Schedule* schedule_of(const ParameterState& parameter, const PlannedGroup& group, const std::string& name) {
  const auto& own = parameter.planned.own_settings;
  if (std::find(own.begin(), own.end(), name) != own.end()) return nullptr;
  for (const auto& [option, schedule] : group.schedules) {
    if (option == name) return &schedule;
  }
  return nullptr;
}

}  // namespace

void RateTable::clear() {
  rows_.clear();
  rates_.clear();
  known_.clear();
}

std::size_t RateTable::row_of(const ParameterState& parameter, const PlannedGroup& group) {
  const auto& table = parameter.descriptor->table;
  Row row{&group, schedule_of(parameter, group, "lr"), parameter.planned.factors.scale(), nullptr, 0, false};
  if (const auto* option = table.with_role(OptionRole::weight_decay)) {
    row.decay_schedule = schedule_of(parameter, group, option->name);
    row.decay = row.decay_schedule != nullptr
                    ? parameter.planned.decay_scale
                    : std::get<double>(*find_option(parameter.planned.settings, option->name));
    const auto* mode = table.with_role(OptionRole::decay_mode);
    row.independent =
        mode != nullptr && std::get<std::string>(*find_option(parameter.planned.settings, mode->name)) == "independent";
  }
  const Key key{row.group, row.lr_schedule, row.factors, row.decay_schedule, row.decay, row.independent};
  const auto [found, fresh] = known_.emplace(key, rows_.size());
  if (fresh) {
    rows_.push_back(row);
    rates_.emplace_back();
  }
  return found->second;
}

void RateTable::evaluate(std::int64_t t) {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const auto& row = rows_[i];
    const double factor = row.lr_schedule == nullptr ? 1.0 : (*row.lr_schedule)(t);
    const double lr = row.group->lr * row.factors * factor;
    const double wd = row.decay_schedule == nullptr ? row.decay : (*row.decay_schedule)(t)*row.decay;
    rates_[i] = {lr, (row.independent ? factor : lr) * wd};
  }
}

}  // namespace switchyard
