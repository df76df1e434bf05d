#include "rules/schema.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "rules/plugins_json.h"

using namespace switchyard;

namespace {

std::string committed(const std::string& name) {
  std::ifstream file(SWITCHYARD_SOURCE_DIR "/schemas/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("schema: the committed ones are what grammar, option tables and metrics give") {
  const auto registry = registry_from_json(committed(plugins_file()));
  for (const auto& document : schema_documents()) {
    const auto file = schema_file(document);
    CAPTURE(file);
    CHECK_MESSAGE(generated_text(document.make(registry, "")) == committed(file),
                  "run `switchyard schema --write schemas`");
  }
}

TEST_CASE("schema: every key of every document is described") {
  const auto registry = registry_from_json(committed(plugins_file()));
  const auto described = [](const Json& schema) {
    return schema.find("description") != nullptr || schema.find("$ref") != nullptr || schema.find("anyOf") != nullptr;
  };
  // Only what is said of the keys of an object, not what conditions say about them.
  const auto check = [&](const Json& schema, const std::string& where) {
    const auto* properties = schema.find("properties");
    if (properties == nullptr || schema.find("additionalProperties") == nullptr) return;
    for (const auto& property : properties->members())
      CHECK_MESSAGE(described(property.value), where, "/", property.key);
  };
  for (const auto& document : schema_documents()) {
    const auto schema = document.make(registry, "");
    CHECK(schema.find("title") != nullptr);
    check(schema, document.name);
    const auto* definitions = schema.find("definitions");
    REQUIRE(definitions != nullptr);
    for (const auto& definition : definitions->members()) {
      check(definition.value, document.name + "/" + definition.key);
    }
  }
}
