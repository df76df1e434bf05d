#include "rules/option_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "rules/decay_check.h"

namespace switchyard {

namespace {

const double* number(const OptionValues& values, std::string_view name) {
  const auto* value = find_option(values, name);
  return value == nullptr ? nullptr : std::get_if<double>(value);
}

bool adam_like(const OptimizerDescriptor& plugin) {
  return std::any_of(plugin.slots.begin(), plugin.slots.end(),
                     [](const Slot& slot) { return slot.name.rfind("exp_avg_sq", 0) == 0; });
}

class OptionChecker {
 public:
  OptionChecker(const Spec& spec, Diagnostics& diagnostics) : spec_(spec), diagnostics_(diagnostics) {}

  void look(const PlannedParameter& parameter, const OptimizerDescriptor& plugin) {
    const auto* betas = find_option(parameter.settings, "betas");
    const auto* rates = betas == nullptr ? nullptr : std::get_if<std::vector<double>>(betas);
    if (rates != nullptr && rates->size() == 2 && adam_like(plugin) && (*rates)[0] > std::sqrt((*rates)[1])) {
      warn(parameter, "SWY-2035", Severity::warning,
           fmt::format("beta1 {} of `{}` is above the square root of beta2 {}, {:.4g}", (*rates)[0],
                       parameter.optimizer, (*rates)[1], std::sqrt((*rates)[1])),
           "Adam may diverge: its averages of g forget more slowly than those of g squared",
           "raise beta2, or lower beta1");
    }
    const auto* nesterov = find_option(parameter.settings, "nesterov");
    const auto* momentum = number(parameter.settings, "momentum");
    if (nesterov != nullptr && truthy(*nesterov) && momentum != nullptr && *momentum == 0 && !scheduled(parameter)) {
      warn(parameter, "SWY-2036", Severity::warning,
           fmt::format("`nesterov` of `{}` has no effect: its momentum is 0", parameter.optimizer),
           "without momentum there is nothing to look ahead with", "set `momentum`, or leave `nesterov` out");
    }
    const auto decay = decay_of_step(parameter, plugin);
    const double least = parameter.info.dtype == Dtype::float64 ? 0x1p-54 : 0x1p-25;
    if (decay > 0 && decay < least) {
      warn(parameter, "SWY-2037", Severity::note,
           fmt::format("weight decay of `{}` takes {:.2g} of a weight a step, less than {} can show",
                       parameter.optimizer, decay, parameter.info.dtype == Dtype::float64 ? "float64" : "float32"),
           "1 minus it rounds to 1", "raise `weight_decay` or the learning rate, or set it to 0");
    }
  }

 private:
  bool scheduled(const PlannedParameter& parameter) const {
    const auto* optimizer = spec_.find_optimizer(parameter.optimizer);
    return optimizer != nullptr && std::any_of(optimizer->schedules.begin(), optimizer->schedules.end(),
                                               [](const auto& schedule) { return schedule.first == "momentum"; });
  }

  void warn(const PlannedParameter& parameter, const char* code, Severity severity, std::string message,
            std::string label, std::string help) {
    const auto* optimizer = spec_.find_optimizer(parameter.optimizer);
    if (optimizer == nullptr || !reported_.insert(code + optimizer->id).second) return;
    auto& finding = diagnostics_.add(severity, code, std::move(message), optimizer->place);
    finding.subject = parameter.info.name();
    finding.label = std::move(label);
    finding.help = std::move(help);
  }

  const Spec& spec_;
  Diagnostics& diagnostics_;
  std::set<std::string> reported_;
};

}  // namespace

void check_options(const Spec& spec, const std::vector<PlannedParameter>& parameters, const Registry& registry,
                   Diagnostics& diagnostics) {
  OptionChecker checker(spec, diagnostics);
  for (const auto& parameter : parameters) {
    const auto* plugin = parameter.frozen() ? nullptr : registry.find(parameter.plugin);
    if (plugin != nullptr) checker.look(parameter, *plugin);
  }
}

}  // namespace switchyard
