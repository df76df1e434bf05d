#include "rules/plugins_json.h"

#include <fmt/format.h>

#include <cmath>

#include "core/plan.h"
#include "rules/plugins_names.h"

namespace switchyard {

namespace {

using namespace plugins;

Json option_json(const OptionInfo& option) {
  auto json = Json::object();
  json.set("name", option.name);
  json.set("type", name_of(option.type));
  json.set("default", to_json(option.default_value));
  const auto& interval = option.interval;
  if (std::isfinite(interval.low)) json.set(interval.low_open ? "above" : "at_least", Json::real(interval.low));
  if (std::isfinite(interval.high)) json.set(interval.high_open ? "below" : "at_most", Json::real(interval.high));
  if (option.type == OptionType::numbers) json.set("length", Json::integer(static_cast<std::int64_t>(option.length)));
  if (!option.choices.empty()) {
    auto& choices = json.set("choices", Json::array());
    for (const auto& choice : option.choices) {
      auto& row = choices.push(Json::object());
      row.set("name", choice.name);
      row.set("doc", choice.doc);
    }
  }
  if (option.schedulable) json.set("schedulable", Json::boolean(true));
  if (option.arithmetic) json.set("arithmetic", Json::boolean(true));
  if (option.role != OptionRole::plain) json.set("role", name_of(option.role));
  json.set("doc", option.doc);
  return json;
}

}  // namespace

Json plugin_json(const OptimizerDescriptor& descriptor) {
  auto json = Json::object();
  json.set("name", descriptor.name);
  json.set("doc", descriptor.doc);
  json.set("version", descriptor.version);
  json.set("state_version", Json::integer(descriptor.state_version));
  auto& options = json.set("options", Json::array());
  for (const auto& option : descriptor.table.options) options.push(option_json(option));
  auto& slots = json.set("slots", Json::array());
  for (const auto& slot : descriptor.slots) {
    auto& row = slots.push(Json::object());
    row.set("name", slot.name);
    row.set("shape", name_of(slot.shape));
    if (slot.dtype != SlotDtype::work) row.set("dtype", name_of(slot.dtype));
    if (slot.encoded()) row.set("codec", slot.codec);
    if (!slot.when.empty()) row.set("when", slot.when);
    if (slot.exists || slot.by_shape) row.set("by_shape", Json::boolean(true));
    if (slot.identity) row.set("identity", Json::boolean(true));
    if (slot.initial != 0) row.set("initial", Json::real(slot.initial));
  }
  auto& traits = json.set("traits", Json::object());
  traits.set("unit", name_of(descriptor.traits.unit));
  if (descriptor.traits.chunk != 0) traits.set("chunk", Json::integer(descriptor.traits.chunk));
  if (!descriptor.traits.chunk_option.empty()) traits.set("chunk_option", descriptor.traits.chunk_option);
  each_flag(descriptor.traits, [&](const char* name, bool flag) {
    if (flag) traits.set(name, Json::boolean(true));
  });
  if (!descriptor.traits.upholds.empty()) {
    auto& upholds = traits.set("upholds", Json::array());
    for (const auto& name : descriptor.traits.upholds) upholds.push(Json::string(name));
  }
  if (!descriptor.defaults.empty()) {
    Diagnostics ignored;  // the registry has looked at it
    json.set("defaults", parse_json(descriptor.defaults, "", ignored).value_or(Json::object()));
  }
  if (!descriptor.loaded_from.empty()) json.set("loaded_from", descriptor.loaded_from);
  return json;
}

Json plugins_json(const Registry& registry) {
  auto json = Json::object();
  json.set("switchyard_plugins", Json::integer(1));
  auto& plugins = json.set("plugins", Json::array());
  for (const auto& descriptor : registry.optimizers()) plugins.push(plugin_json(descriptor));
  return json;
}

}  // namespace switchyard
