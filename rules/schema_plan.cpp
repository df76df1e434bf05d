#include <utility>
#include <vector>

#include "core/schedule.h"
#include "rules/schema.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard {

namespace schema {

namespace {

/// Schedules as plans hold them: to_json(Schedule).
Json planned_schedule() {
  using Kind = Schedule::Kind;
  struct Row {
    Kind kind;
    std::vector<std::string> keys;
  };
  const std::vector<Row> rows = {{Kind::constant, {"kind", "peak", "warmup"}},
                                 {Kind::linear, {"kind", "peak", "warmup", "floor", "total"}},
                                 {Kind::cosine, {"kind", "peak", "warmup", "floor", "total"}},
                                 {Kind::wsd, {"kind", "peak", "warmup", "floor", "total", "decay", "shape"}},
                                 {Kind::piecewise, {"kind", "points"}}};
  std::vector<std::string> kinds;
  auto all = Json::array();
  for (const auto& row : rows) {
    kinds.emplace_back(to_string(row.kind));
    auto then = needs(row.keys);
    then.set("propertyNames", with(Json::object(), "enum", text_list(row.keys)));
    all.push(when("kind", Json::string(kinds.back()), std::move(then)));
  }
  std::vector<std::string> shapes;
  for (const auto shape : {Schedule::Shape::linear, Schedule::Shape::sqrt, Schedule::Shape::cosine})
    shapes.emplace_back(to_string(shape));
  auto point = array_of(list(integer(0, "t"), of_type("number")), "", 2);
  point.set("maxItems", Json::integer(2));
  auto json = closed({{"kind", enumeration(kinds, "How the value falls after the warmup.")},
                      {"peak", of_type("number", "Largest value.")},
                      {"warmup", integer(0, "Steps of linear warmup.")},
                      {"floor", of_type("number", "Value at the end.")},
                      {"total", integer(0, "Steps of the whole training.")},
                      {"decay", integer(0, "wsd: steps of the fall at the end.")},
                      {"shape", enumeration(shapes, "wsd: form of the fall.")},
                      {"points", array_of(std::move(point), "piecewise: pairs [t, value].", 1)}},
                     {"kind"}, "A schedule, its steps as whole numbers.");
  json.set("allOf", std::move(all));
  return json;
}

Json block_schema() {
  auto select = closed({{"axis", integer(0, "The axis that a split cuts.")},
                        {"start", integer(0, "First index of the first run.")},
                        {"length", integer(1, "Indices of a run.")},
                        {"stride", integer(0, "Indices from run to run; 0 for one run.")},
                        {"times", integer(1, "Runs.")}},
                       {"axis", "start", "length", "stride", "times"}, "Which indices of the cut axis the part takes.");
  return closed({{"name", of_type("string", "Name of the part; empty without a split.")},
                 {"out", integer(0, "Rows of a block.")},
                 {"in", integer(0, "Columns of a block.")},
                 {"count", integer(0, "Blocks of the part: batch x heads.")},
                 {"scale", of_type("number", "Factor of the update by the shape of a block.")},
                 {"select", std::move(select)}},
                {"name", "out", "in", "count", "scale"},
                "Blocks of one part of the parameter, each a matrix of its own.");
}

Json factors_schema() {
  return closed({{"base", number(0, "Learning rate of the optimizer.")},
                 {"rule", number(0, "lr_scale of the rule.")},
                 {"overrides", map_of(number(0, ""), "lr_scale of overrides, by id.")},
                 {"modular_norm", number(0, "Factor of the modular norm; 1 without one.")},
                 {"lr", measured_number("The product: the learning rate before schedules.")}},
                {"base", "rule", "overrides", "modular_norm", "lr"}, "Factors of the learning rate.");
}

/// Every option of a plugin with its value, and the schedules.
Json planned_settings(const OptimizerDescriptor& descriptor) {
  Properties properties;
  std::vector<std::string> required;
  std::vector<std::string> schedulable = {"lr"};
  for (const auto& option : descriptor.table.options) {
    properties.emplace_back(option.name, option_schema(option));
    required.push_back(option.name);
    if (option.schedulable) schedulable.push_back(option.name);
  }
  auto schedules = map_of(reference("schedule"), "What drives `lr` or an option over the steps.");
  schedules.set("propertyNames", with(Json::object(), "enum", text_list(schedulable)));
  properties.emplace_back("schedules", std::move(schedules));
  required.emplace_back("schedules");
  return closed(std::move(properties), required, "Every option of plugin " + descriptor.name + ", resolved.");
}

Json properties_are(Properties properties) {
  auto out = Json::object();
  for (auto& [key, schema] : properties) out.set(key, std::move(schema));
  return with(Json::object(), "properties", std::move(out));
}

Json planned_parameter(const Registry& registry) {
  const auto none = [] { return with(Json::object(), "maxItems", Json::integer(0)); };
  const auto empty = [] { return with(Json::object(), "maxProperties", Json::integer(0)); };
  auto json = closed(
      {{"name", of_type("string", "The display name.")},
       {"aliases", array_of(of_type("string"), "Other names of the tied tensor.")},
       {"shape", array_of(integer(0, ""), "Sizes, axis by axis.")},
       {"dtype", of_type("string", "torch's name of the dtype.")},
       {"elements", integer(0, "Product of the sizes.")},
       {"rule", of_type("string", "Id of the rule that took it, or \"fallback\".")},
       {"optimizer", of_type("string", "Id of the optimizer, or \"freeze\".")},
       {"plugin", of_type("string", "Plugin of the optimizer; empty for a frozen parameter.")},
       {"blocks", array_of(reference("block"), "The matrices that the plugin sees; [] if it works on elements.")},
       {"constraints", with(of_type("array", "Constraints that hold after each step; none in this build."), "maxItems",
                            Json::integer(0))},
       {"factors", of_type("object", "Factors of the learning rate; {} for a frozen parameter.")},
       {"settings", of_type("object", "Options, resolved; {} for a frozen parameter.")}},
      {"name", "aliases", "shape", "dtype", "elements", "rule", "optimizer", "plugin", "blocks", "constraints",
       "factors", "settings"},
      "What will happen to one tensor.");
  auto frozen = when("plugin", Json::string(""),
                     properties_are({{"blocks", none()}, {"factors", empty()}, {"settings", empty()}}));
  frozen.set("else", properties_are({{"factors", reference("factors")}}));
  auto all = list(std::move(frozen));
  for (const auto& descriptor : registry.optimizers()) {
    all.push(when("plugin", Json::string(descriptor.name),
                  properties_are({{"settings", reference("settings." + descriptor.name)}})));
  }
  json.set("allOf", std::move(all));
  return json;
}

/// to_json(Diagnostic)
Json diagnostic_schema() {
  return closed({{"severity", enumeration({"error", "warning", "note"}, "How bad it is.")},
                 {"code", pattern("^SWY-[0-9]{4}$", "Stable number of the kind of finding.")},
                 {"message", of_type("string", "One sentence.")},
                 {"file", of_type("string", "File it is in; empty without one.")},
                 {"line", integer(0, "From 1; 0 without a place.")},
                 {"column", integer(0, "In bytes, from 1; 0 without a place.")},
                 {"pointer", of_type("string", "JSON pointer into the file.")},
                 {"help", of_type("string", "What to write instead; may be empty.")}},
                {"severity", "code", "message", "file", "line", "column", "pointer", "help"}, "A finding.");
}

/// What lock_json() adds.
Json lock_schema() {
  auto gradients = closed({{"clip_norm", described(with(Json::object(), "type", text_list({"number", "null"})),
                                                   "Largest norm of all gradients together.")},
                           {"accumulation", integer(1, "Backward passes that add up before a step.")},
                           {"on_nonfinite", enumeration({"skip", "error"}, "What a step with such gradients does.")}},
                          {"clip_norm", "accumulation", "on_nonfinite"}, "What happens to gradients.");
  return closed({{"sha256", hash("Checksum of the document on one line without this member.")},
                 {"gradients", std::move(gradients)},
                 {"state", state_lines_schema()}},
                {"sha256", "gradients", "state"}, "What makes a plan document a lock.");
}

}  // namespace

Json hash(std::string text) { return pattern("^[0-9a-f]{64}$", std::move(text)); }

Json state_lines_schema() {
  return map_of(of_type("string"), "What the state of a parameter looks like, by its smallest name, one line each.");
}

Json plan_object(bool is_file) {
  const auto may_fail = [](std::string text) { return pattern("^([0-9a-f]{64})?$", std::move(text)); };
  Properties properties = {
      {"switchyard_plan", constant(Json::integer(1), "Version of the format.")},
      {"state_hash", may_fail("SHA-256 of names, shapes, dtypes, plugins, slots, blocks; empty on failure.")},
      {"plan_hash", may_fail("SHA-256 of that, options, factors and schedules; empty on failure.")},
      {"parameters", array_of(reference("parameter"), "The tensors, in the order of the model.")},
      {"diagnostics", array_of(reference("diagnostic"), "Findings; of a plan without errors none is one.")}};
  if (is_file) {
    properties.emplace_back("$schema", of_type("string", "Ignored; for editors. The checksum of a lock covers it."));
    properties.emplace_back("lock", lock_schema());
  }
  return closed(std::move(properties), {"switchyard_plan", "state_hash", "plan_hash", "parameters", "diagnostics"},
                "What a spec does to a model: one entry a tensor.");
}

void define_plan(Json& definitions, const Registry& registry) {
  definitions.set("parameter", planned_parameter(registry));
  definitions.set("block", block_schema());
  definitions.set("factors", factors_schema());
  definitions.set("schedule", planned_schedule());
  for (const auto& descriptor : registry.optimizers())
    definitions.set("settings." + descriptor.name, planned_settings(descriptor));
  definitions.set("diagnostic", diagnostic_schema());
}

}  // namespace schema

Json plan_schema(const Registry& registry, const std::string& origin) {
  auto json = schema::document("Switchyard plan or lock, version 1", origin);
  schema::append(json, schema::plan_object(true));
  schema::define_plan(json.set("definitions", Json::object()), registry);
  return json;
}

}  // namespace switchyard
