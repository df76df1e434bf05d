#include <algorithm>
#include <utility>
#include <vector>

#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard::schema {

Json variable_schema() { return pattern("^\\$[A-Za-z_][A-Za-z0-9_]{0,63}$", "The value of a variable of `vars`."); }

Json variables_schema() {
  const auto scalar = [] {
    auto value = with(Json::object(), "type", text_list({"number", "string", "boolean"}));
    value.set("not", variable_schema());
    return value;
  };
  auto json = of_type("object", "Values by name; \"$name\" stands for one anywhere below.");
  json.set("propertyNames", pattern("^[A-Za-z_][A-Za-z0-9_]{0,63}$"));
  json.set("additionalProperties", any_of(list(scalar(), array_of(scalar(), "", 1))));
  return json;
}

namespace {

/// True for schemas of values that "$name" may stand for, unless they take any text anyway.
bool takes_variable(const Json& schema) {
  const auto* type = schema.find("type");
  if (type == nullptr || !type->is(Json::Kind::string)) return false;
  const auto& name = type->as_string();
  if (name == "string") return schema.find("enum") != nullptr || schema.find("pattern") != nullptr;
  if (name != "array") return name != "object";
  // Lists of objects are part of the grammar, not values.
  const auto* items = schema.find("items");
  const auto* target = items == nullptr ? nullptr : items->find("$ref");
  return target == nullptr || target->as_string() == "#/definitions/condition";
}

}  // namespace

Json with_references(const Json& schema) {
  static const std::vector<std::string> literal = {
      "enum", "const", "default", "required", "examples", "enumDescriptions", "propertyNames"};
  if (schema.is(Json::Kind::array)) {
    auto out = Json::array();
    for (const auto& item : schema.items()) out.push(with_references(item));
    return out;
  }
  if (!schema.is(Json::Kind::object)) return schema;
  auto inner = Json::object();
  auto outer = Json::object();
  const bool wrapped = takes_variable(schema);
  for (const auto& member : schema.members()) {
    const bool as_is = std::find(literal.begin(), literal.end(), member.key) != literal.end();
    const bool about = member.key == "description" || member.key == "default" || member.key == "enumDescriptions";
    (wrapped && about ? outer : inner).set(member.key, as_is ? member.value : with_references(member.value));
  }
  if (!wrapped) return inner;
  outer.set("if", reference("variable"));
  outer.set("else", std::move(inner));
  return outer;
}

}  // namespace switchyard::schema
