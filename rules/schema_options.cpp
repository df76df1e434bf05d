#include <fmt/format.h>

#include <cmath>

#include "core/plan.h"
#include "rules/schema.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard {

namespace schema {

namespace {

Json bounded(Json schema, const Interval& interval) {
  if (std::isfinite(interval.low))
    schema.set(interval.low_open ? "exclusiveMinimum" : "minimum", Json::real(interval.low));
  if (std::isfinite(interval.high))
    schema.set(interval.high_open ? "exclusiveMaximum" : "maximum", Json::real(interval.high));
  return schema;
}

}  // namespace

Json option_schema(const OptionInfo& option) {
  auto json = Json::object();
  switch (option.type) {
    case OptionType::boolean:
      json = of_type("boolean");
      break;
    case OptionType::integer:
      json = bounded(of_type("integer"), option.interval);
      break;
    case OptionType::number:
      json = bounded(of_type("number"), option.interval);
      break;
    case OptionType::numbers: {
      const auto length = static_cast<std::int64_t>(option.length);
      json = of_type("array");
      json.set("items", bounded(of_type("number"), option.interval));
      json.set("minItems", Json::integer(length));
      json.set("maxItems", Json::integer(length));
      break;
    }
    case OptionType::choice: {
      std::vector<std::string> names;
      std::vector<std::string> docs;
      for (const auto& choice : option.choices) {
        names.push_back(choice.name);
        docs.push_back(choice.doc);
      }
      json = enumeration(names);
      json.set("enumDescriptions", text_list(docs));
      break;
    }
  }
  json.set("default", to_json(option.default_value));
  return described(std::move(json), option.doc);
}

Json options_object(const OptimizerDescriptor& descriptor) {
  auto json = of_type("object", fmt::format("Options of plugin {}.", descriptor.name));
  auto& properties = json.set("properties", Json::object());
  for (const auto& option : descriptor.table.options) properties.set(option.name, option_schema(option));
  json.set("additionalProperties", Json::boolean(false));
  return json;
}

}  // namespace schema

Json options_schema(const OptimizerDescriptor& descriptor) {
  auto json =
      schema::document(fmt::format("Options of the Switchyard plugin {} {}", descriptor.name, descriptor.version));
  schema::append(json, schema::options_object(descriptor));
  return json;
}

}  // namespace switchyard
