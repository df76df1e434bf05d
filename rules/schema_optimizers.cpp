#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "rules/grammar.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard::schema {

Json settings_schema(const Registry& registry) {
  auto json = of_type(
      "object",
      "Factors of the learning rate and of the weight decay, and options of the plugin that trains the tensor.");
  auto& properties = json.set("properties", Json::object());
  properties.set("lr_scale", number(0, "Factor of the learning rate."));
  properties.set("wd_scale", number(0, "Factor of the weight decay."));
  for (const auto& key : spots::settings().keys) {
    if (properties.find(key) == nullptr)
      throw std::logic_error(fmt::format("schema: `{}` of `set` has no fragment", key));
  }
  // Which plugin a tensor gets is not known here: any plugin's reading of an option will do.
  std::map<std::string, std::vector<Json>> readings;
  for (const auto& descriptor : registry.optimizers()) {
    for (const auto& option : descriptor.table.options) {
      auto schema = option_schema(option);
      auto& known = readings[option.name];
      const auto text = dump_json(schema);
      const bool seen =
          std::any_of(known.begin(), known.end(), [&](const Json& other) { return dump_json(other) == text; });
      if (!seen) known.push_back(std::move(schema));
    }
  }
  for (auto& [name, schemas] : readings) {
    if (schemas.size() == 1) {
      properties.set(name, std::move(schemas[0]));
    } else {
      auto any = Json::array();
      for (auto& schema : schemas) any.push(std::move(schema));
      properties.set(name, any_of(std::move(any)));
    }
  }
  json.set("minProperties", Json::integer(1));
  json.set("additionalProperties", Json::boolean(false));
  return json;
}

Json optimizer_schema(const Registry& registry) {
  std::vector<std::string> docs;
  for (const auto& descriptor : registry.optimizers()) docs.push_back(descriptor.doc);
  auto plugin = enumeration(registry.names(), "The plugin that trains the tensors.");
  plugin.set("enumDescriptions", text_list(docs));
  auto schedules = map_of(identifier("Id of a schedule."),
                          "What drives `lr` (a factor with peak 1) or an option (its value) over the steps.");
  auto json = object(spots::optimizer(),
                     {{"plugin", std::move(plugin)},
                      {"like", identifier("Id of an optimizer whose entry is taken where this one says nothing.")},
                      {"lr", number(0, "Base learning rate.")},
                      {"lr_scale", number(0, "Base learning rate as a multiple of base_lr.")},
                      {"options", of_type("object", "Options of the plugin.")},
                      {"schedules", std::move(schedules)}},
                     {}, "A plugin with its options, for all tensors that rules send to it.");
  auto all = Json::array();
  all.push(with(Json::object(), "not", needs({"lr", "lr_scale"})));
  for (const auto& descriptor : registry.optimizers()) {
    std::vector<std::string> schedulable = {"lr"};
    for (const auto& option : descriptor.table.options) {
      if (option.schedulable) schedulable.push_back(option.name);
    }
    auto then = Json::object();
    auto& properties = then.set("properties", Json::object());
    properties.set("options", reference("options." + descriptor.name));
    properties.set("schedules",
                   with(Json::object(), "propertyNames", with(Json::object(), "enum", text_list(schedulable))));
    all.push(when("plugin", Json::string(descriptor.name), std::move(then)));
  }
  json.set("allOf", std::move(all));
  return json;
}

}  // namespace switchyard::schema
