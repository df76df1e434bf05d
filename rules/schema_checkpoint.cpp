#include <utility>

#include "rules/schema.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard {

namespace schema {

namespace {

Json plugin_versions() {
  return closed({{"version", of_type("string", "Version of the plugin.")},
                 {"state_version", integer(0, "Version of what its state means.")}},
                {"version", "state_version"}, "A plugin that trained something.");
}

Json group_schema(const Registry& registry) {
  auto json = closed({{"id", identifier("Id of the optimizer.")},
                      {"plugin", of_type("string", "Its plugin.")},
                      {"lr", number(0, "Base learning rate now.")},
                      {"planned_lr", number(0, "Base learning rate of the plan.")},
                      {"options", of_type("object", "Options now.")},
                      {"planned_options", of_type("object", "Options of the plan.")},
                      {"schedules", map_of(reference("schedule"), "What drives `lr` or an option over the steps.")}},
                     {"id", "plugin", "lr", "planned_lr", "options", "planned_options", "schedules"},
                     "An entry of `optimizers`.");
  auto all = Json::array();
  for (const auto& descriptor : registry.optimizers()) {
    auto properties = Json::object();
    properties.set("options", reference("options." + descriptor.name));
    properties.set("planned_options", reference("options." + descriptor.name));
    all.push(when("plugin", Json::string(descriptor.name), with(Json::object(), "properties", std::move(properties))));
  }
  json.set("allOf", std::move(all));
  return json;
}

Json rate_or_none(std::string text) {
  return described(with(Json::object(), "type", text_list({"number", "null"})), std::move(text));
}

}  // namespace

}  // namespace schema

Json checkpoint_index_schema(const Registry& registry, const std::string& origin) {
  using namespace schema;
  auto json = document("Index of a Switchyard checkpoint, version 1", origin);
  append(
      json,
      closed({{"switchyard_checkpoint", constant(Json::integer(1), "Version of the format.")},
              {"index_sha256", hash("Checksum of this text with zeros in this place.")},
              {"data", pattern("^[^/]+\\.safetensors$", "File in the same folder that holds the state.")},
              {"checksum", pattern("^[0-9a-f]{16}$", "Checksum of that file, 64 bits.")},
              {"state_hash", hash("Of the plan.")},
              {"plan_hash", hash("Of the plan, with options as they are now.")},
              {"applied_steps", integer(0, "Steps that changed parameters: t of schedules.")},
              {"calls", integer(0, "Calls of step, skipped ones included.")},
              {"skipped_steps", integer(0, "Steps skipped.")},
              {"base_lr", rate_or_none("base_lr now.")},
              {"planned_base_lr", rate_or_none("base_lr of the plan.")},
              {"plugins", map_of(reference("plugin"), "Plugins that trained something, by name.")},
              {"groups", array_of(reference("group"), "In the order of the spec.")},
              {"state", state_lines_schema()},
              {"plan", reference("plan", "The plan as it is now.")}},
             {"switchyard_checkpoint", "index_sha256", "data", "checksum", "state_hash", "plan_hash", "applied_steps",
              "calls", "skipped_steps", "base_lr", "planned_base_lr", "plugins", "groups", "state", "plan"},
             "What a checkpoint holds, by parameter name. It is written last and names a complete data file."));
  auto& definitions = json.set("definitions", Json::object());
  definitions.set("plugin", plugin_versions());
  definitions.set("group", group_schema(registry));
  for (const auto& descriptor : registry.optimizers()) {
    auto options = options_object(descriptor);
    options.set("required", text_list(descriptor.table.names()));
    definitions.set("options." + descriptor.name, std::move(options));
  }
  definitions.set("plan", plan_object(false));
  define_plan(definitions, registry);
  return json;
}

}  // namespace switchyard
