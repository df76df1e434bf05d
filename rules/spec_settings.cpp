#include <fmt/format.h>

#include <algorithm>

#include "rules/meant_key.h"
#include "rules/spec_reader.h"

namespace switchyard {

namespace {

/// An option of an override. It acts on parameters of several plugins, so only what no plugin of the spec accepts is
/// wrong here; the planner checks the rest against the plugin of each parameter.
std::optional<OptionValue> read_any_option(SpecDraft& draft, const Node& node) {
  const std::string name(node.key());
  std::vector<const OptimizerDescriptor*> plugins;
  for (const auto& optimizer : draft.spec.optimizers) {
    const auto* plugin = draft.registry.find(optimizer.plugin);
    if (std::find(plugins.begin(), plugins.end(), plugin) == plugins.end()) plugins.push_back(plugin);
  }
  const bool all_known = draft.optimizers_known && draft.spec.optimizers.size() == draft.optimizer_ids.size();
  std::vector<std::string> names = spots::settings().keys;
  std::string problem;
  bool known = false;
  bool accepted = false;
  auto value = option_value_from_json(node.json());
  for (const auto* plugin : plugins) {
    const auto own = plugin->table.names();
    names.insert(names.end(), own.begin(), own.end());
    const auto* option = plugin->table.find(name);
    if (option == nullptr) continue;
    known = true;
    auto copy = value.value_or(OptionValue(std::string()));
    const auto found = value ? check_option(*option, copy) : expected(*option);
    accepted = accepted || found.empty();
    if (!found.empty()) problem = found;
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (!known) {
    if (!all_known) return std::nullopt;
    auto& finding = draft.read.error("SWY-1101", fmt::format("no plugin of this spec has an option `{}`", shown(name)),
                                     node.key_place());
    finding.label = "unknown option";
    finding.help = belongs_elsewhere(name, spots::settings());
    if (finding.help.empty()) finding.help = did_you_mean(name, names);
    finding.help += fmt::format("{}(options: {})", finding.help.empty() ? "" : "   ", listed(names));
    return std::nullopt;
  }
  if (accepted) return value;
  if (!all_known) return std::nullopt;
  auto& finding = draft.read.error(
      "SWY-1102", fmt::format("`{}` must be {}, got {}", name, problem, shown(node.json())), node.place());
  finding.label = "expected " + problem;
  return std::nullopt;
}

}  // namespace

std::optional<SpecSettings> read_settings(SpecDraft& draft, const Node& set, const OptimizerDescriptor* plugin,
                                          bool is_override) {
  auto& read = draft.read;
  if (!set.json().is(Json::Kind::object)) {
    read.wrong_type(set, "`set`", "an object");
    return std::nullopt;
  }
  SpecSettings out;
  out.place = set.key_place();
  if (set.json().size() == 0) {
    read.error("SWY-1019", "`set` is empty", set.place()).help = "remove it, or set lr_scale, wd_scale or an option";
    return std::nullopt;
  }
  bool good = true;
  for (const auto& member : set.json().members()) {
    const Node node(set, member);
    const bool factor = member.key == "lr_scale" || member.key == "wd_scale";
    if (factor && member.value.is(Json::Kind::object) && member.value.find("expr") != nullptr) {
      read.unsupported(later_expression(), node.place());
      good = false;
    } else if (factor) {
      const auto value = read.number(node, fmt::format("`{}`", member.key), at_least(0));
      (member.key == "lr_scale" ? out.lr_scale : out.wd_scale) = value;
      good = good && value;
      if (value && member.key == "wd_scale" && plugin != nullptr &&
          plugin->table.with_role(OptionRole::weight_decay) == nullptr) {
        read.error("SWY-1101", fmt::format("plugin `{}` has no weight decay to scale", plugin->name), node.key_place())
            .help = "remove `wd_scale`";
        good = false;
      }
    } else if (plugin != nullptr || is_override) {
      const auto value =
          plugin != nullptr ? read_option(draft, node, *plugin, spots::settings().keys) : read_any_option(draft, node);
      good = good && value;
      auto place = node.place();
      if (value) out.options.push_back({member.key, *value, std::move(place)});
    }
  }
  if (!good) return std::nullopt;
  return out;
}

}  // namespace switchyard
