#include "rules/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "rules/codes.h"
#include "rules/grammar.h"
#include "rules/policy.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard {

namespace schema {

namespace {

Json some_text() { return with(of_type("string"), "minLength", Json::integer(1)); }

Json gradients_schema() {
  auto clip = object(spots::clip(),
                     {{"norm", with(of_type("number", "Largest norm of all gradients together."), "exclusiveMinimum",
                                    Json::integer(0))}},
                     {"norm"}, "Clipping by the global norm.");
  return object(spots::gradients(),
                {{"clip", std::move(clip)},
                 {"accumulation", integer(1, "Backward passes that add up before a step.")},
                 {"on_nonfinite", enumeration({"skip", "error"}, "What a step with NaN or infinite gradients does.")}},
                {}, "What happens to gradients before any plugin sees them.");
}

Json sink_schema() {
  return object(spots::sink(),
                {{"kind", enumeration({"jsonl"}, "Form of the metrics.")},
                 {"path", with(of_type("string", "File to append to."), "minLength", Json::integer(1))},
                 {"every", integer(1, "Steps between two records.")}},
                {"kind", "path"}, "Where metrics go.");
}

Json policy_schema() {
  auto json = of_type("object", "Severity of warnings and notes, by code. Errors stay errors.");
  auto& properties = json.set("properties", Json::object());
  for (const auto& info : diagnostic_codes) {
    if (info.usual == Severity::error) continue;
    properties.set(info.code, enumeration(policy_words(), fmt::format("{} ({})", info.meaning, to_string(info.usual))));
  }
  json.set("additionalProperties", Json::boolean(false));
  return json;
}

Json layers_schema() {
  const auto patterns = [](std::string text) { return one_or_many(some_text(), std::move(text)); };
  return object(spots::layers(),
                {{"index", with(of_type("string", "Glob with {i:int} where the number of the block stands."),
                                "minLength", Json::integer(1))},
                 {"count", with(integer(1, "Number of blocks."), "maximum", Json::integer(1'000'000))},
                 {"before", patterns("What is layer 0; block i is then layer i + 1.")},
                 {"after", patterns("What is the layer behind the last block.")}},
                {"index", "count"}, "A stack of blocks whose names hold their number.");
}

Json extends_schema() {
  return one_or_many(some_text(),
                     "\"preset:NAME\", \"plugin:NAME/defaults\" (what a plugin suggests) or the path of a spec that "
                     "this one is put over; one or a list.");
}

/// What a spec must say that extends no other: there is nothing to take it from.
Json whole_spec() {
  const auto each = [](Json schema) { return with(Json::object(), "additionalProperties", std::move(schema)); };
  auto required = needs({"optimizers", "rules", "fallback"});
  auto& properties = required.set("properties", Json::object());
  properties.set("optimizers", each(any_of(list(needs({"plugin"}), needs({"like"})))));
  properties.set("schedules", each(needs({"kind"})));
  return required;
}

Json stacks_schema() { return one_or_many(reference("layers"), "The stack of layers, or a list of stacks."); }

Json canonical_schema() {
  auto strip =
      array_of(pattern("^[^.*?\\[\\]{}]+$"), "Wrapper segments that names lose before matching and hashing.", 1);
  return object(spots::canonical(), {{"strip", std::move(strip)}}, {"strip"}, "How names become canonical.");
}

/// What stands at the root of a spec, before "$name" is accepted.
Json root_schema() {
  return object(
      spots::spec(),
      {{"switchyard", constant(Json::integer(1), "Version of the format.")},
       {"$schema", of_type("string", "Ignored; for editors.")},
       {"name", of_type("string", "Name of the spec.")},
       {"description", of_type("string", "For people.")},
       {"base_lr", number(0, "What lr_scale of an optimizer multiplies.")},
       {"optimizers", map_of(reference("optimizer"), "By id.")},
       {"schedules", map_of(reference("schedule"), "By id.")},
       {"rules", array_of(reference("rule"), "In order: the first that matches takes a tensor.")},
       {"fallback", identifier("Where tensors go that no rule takes: \"error\", \"freeze\" or an optimizer id.")},
       {"overrides", array_of(reference("override"), "Settings by tensor, whatever rule took it.")},
       {"gradients", reference("gradients")},
       {"sinks", array_of(reference("sink"), "Where metrics go.")},
       {"policy", policy_schema()},
       {"extends", extends_schema()},
       {"vars", variables_schema()},
       {"canonical", canonical_schema()},
       {"layers", stacks_schema()}},
      {"switchyard"}, "A Switchyard spec: which optimizer trains which tensors, and how.");
}

Json definitions_of(const Registry& registry) {
  auto out = Json::object();
  out.set("optimizer", optimizer_schema(registry));
  out.set("schedule", schedule_schema());
  out.set("rule", rule_schema());
  out.set("override", override_schema());
  out.set("match", match_schema());
  out.set("condition", condition_schema());
  out.set("layer", layer_schema());
  out.set("layers", layers_schema());
  out.set("settings", settings_schema(registry));
  out.set("view", view_schema());
  out.set("gradients", gradients_schema());
  out.set("sink", sink_schema());
  for (const auto& descriptor : registry.optimizers())
    out.set("options." + descriptor.name, options_object(descriptor));
  return out;
}

}  // namespace

}  // namespace schema

Json spec_schema(const Registry& registry, const std::string& origin) {
  auto json = schema::document("Switchyard spec, version 1", origin);
  json.set("if", schema::with(Json::object(), "not", schema::needs({"extends"})));
  json.set("then", schema::whole_spec());
  static const std::vector<std::string> plain = {"$schema", "description", "switchyard", "extends", "vars"};
  const auto root = schema::root_schema();
  for (const auto& member : root.members()) {
    if (member.key != "properties") {
      json.set(member.key, member.value);
      continue;
    }
    auto& properties = json.set("properties", Json::object());
    for (const auto& property : member.value.members()) {
      const bool as_is = std::find(plain.begin(), plain.end(), property.key) != plain.end();
      properties.set(property.key, as_is ? property.value : schema::with_references(property.value));
    }
  }
  auto& definitions = json.set("definitions", Json::object());
  const auto made = schema::definitions_of(registry);
  for (const auto& member : made.members()) definitions.set(member.key, schema::with_references(member.value));
  definitions.set("variable", schema::variable_schema());
  return json;
}

}  // namespace switchyard
