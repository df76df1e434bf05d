#include <utility>
#include <vector>

#include "rules/grammar.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard::schema {

namespace {

Properties matched_entry(std::string id, std::string what) {
  return {{"id", identifier(std::move(id))},
          {"match", reference("match", "Which tensors.")},
          {"except", reference("match", "Which of them not.")},
          {"set", reference("settings", std::move(what))},
          {"note", of_type("string", "For people.")},
          {"optional", of_type("boolean", "Matching nothing is fine.")},
          {"disabled", of_type("boolean", "As if it were not there.")}};
}

/// `keys` are required of an entry unless it is disabled.
Json unless_disabled(const std::vector<std::string>& keys) {
  auto off = with(Json::object(), "properties", with(Json::object(), "disabled", constant(Json::boolean(true))));
  off.set("required", text_list({"disabled"}));
  auto branch = Json::object();
  branch.set("if", std::move(off));
  branch.set("else", needs(keys));
  return list(std::move(branch));
}

}  // namespace

Json rule_schema() {
  auto properties = matched_entry("Unique name of the rule.", "Settings of the tensors that the rule takes.");
  properties.emplace_back("use", identifier("Id of an optimizer, or \"freeze\"."));
  properties.emplace_back("matrix", reference("view"));
  auto json = object(spots::rule(), std::move(properties), {"id"}, "The first matching rule takes a tensor.");
  json.set("allOf", unless_disabled({"match", "use"}));
  return json;
}

Json override_schema() {
  auto json =
      object(spots::override_(),
             matched_entry("Unique name of the override.", "What is set; factors of several overrides multiply."),
             {"id"}, "All matching overrides act, after routing.");
  json.set("allOf", unless_disabled({"match", "set"}));
  return json;
}

}  // namespace switchyard::schema
