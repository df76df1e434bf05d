#include "rules/decay_check.h"

#include <fmt/format.h>

#include <set>

namespace switchyard {

double decay_of_step(const PlannedParameter& parameter, const OptimizerDescriptor& plugin) {
  const auto* option = plugin.table.with_role(OptionRole::weight_decay);
  if (option == nullptr) return 0;
  const auto* value = find_option(parameter.settings, option->name);
  const auto* decay = value == nullptr ? nullptr : std::get_if<double>(value);
  if (decay == nullptr) return 0;
  const auto* mode = plugin.table.with_role(OptionRole::decay_mode);
  const auto* chosen = mode == nullptr ? nullptr : find_option(parameter.settings, mode->name);
  const bool independent = chosen != nullptr && to_string(*chosen).find("independent") != std::string::npos;
  return independent ? *decay : *decay * parameter.factors.lr();
}

void check_decay(const Spec& spec, const std::vector<PlannedParameter>& parameters, const Registry& registry,
                 Diagnostics& diagnostics) {
  std::set<std::string> reported;
  for (const auto& parameter : parameters) {
    if (parameter.frozen()) continue;
    const auto* plugin = registry.find(parameter.plugin);
    const auto* optimizer = spec.find_optimizer(parameter.optimizer);
    if (plugin == nullptr || optimizer == nullptr) continue;
    const auto decay = decay_of_step(parameter, *plugin);
    if (!(decay >= 1) || !reported.insert(optimizer->id).second) continue;
    auto& finding = diagnostics.warning(
        "SWY-2034",
        fmt::format("a step multiplies the weights of `{}` by 1 - {:.6g} before its update: decay turns their sign",
                    parameter.info.name(), decay),
        optimizer->place);
    finding.subject = parameter.info.name();
    finding.label = "its learning rate times its weight decay is not below 1";
    finding.help = "lower `weight_decay` or `lr`: their product is what a step takes away";
  }
}

}  // namespace switchyard
