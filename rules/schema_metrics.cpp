#include <utility>
#include <vector>

#include "core/metric.h"
#include "rules/schema.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard {

namespace schema {

namespace {

Json value_schema(const MetricInfo& info) {
  std::string doc = info.doc;
  switch (info.kind) {
    case MetricInfo::Kind::number:
      return measured_number(std::move(doc));
    case MetricInfo::Kind::count:
      return integer(0, std::move(doc));
    case MetricInfo::Kind::flag:
      return described(with(Json::object(), "enum", list(Json::integer(0), Json::integer(1))), std::move(doc));
    case MetricInfo::Kind::text:
      break;
  }
  return of_type("string", std::move(doc));
}

Json record_schema(MetricInfo::In other, Json group, std::string text) {
  Properties properties = {{"step", integer(1, "Calls of step so far, this one and skipped ones included.")},
                           {"group", std::move(group)}};
  std::vector<std::string> required = {"step", "group"};
  for (const auto* info : metrics::all) {
    if (info->in == other) continue;
    properties.emplace_back(info->name, value_schema(*info));
    if (info->always) required.emplace_back(info->name);
  }
  return closed(std::move(properties), required, std::move(text));
}

}  // namespace

}  // namespace schema

Json metrics_schema() {
  using namespace schema;
  auto json = document("A line of a Switchyard metrics file (JSON lines), version 1");
  json.set("description", "The first line says the version; every other one is a record of a step.");
  json.set("type", "object");
  json.set("if", needs({"switchyard_metrics"}));
  json.set("then", reference("header"));
  auto otherwise = when("group", Json::string(""), reference("optimizer"));
  otherwise.set("else", reference("group"));
  json.set("else", std::move(otherwise));
  auto& definitions = json.set("definitions", Json::object());
  definitions.set("header", closed({{"$schema", of_type("string", "Ignored; for editors.")},
                                    {"switchyard_metrics", constant(Json::integer(1), "Version of the format.")}},
                                   {"switchyard_metrics"}, "The first line."));
  definitions.set("optimizer", record_schema(MetricInfo::In::group, constant(Json::string(""), "Empty."),
                                             "A step of the whole optimizer."));
  definitions.set("group", record_schema(MetricInfo::In::whole, identifier("Id of an optimizer of the spec."),
                                         "A step of one group."));
  auto example = Json::object();
  example.set("step", Json::integer(3));
  example.set("group", "");
  example.set("applied", Json::integer(1));
  example.set("grad_norm", Json::real(0.75));
  example.set("skipped_steps", Json::integer(0));
  example.set("params_without_grad", Json::integer(0));
  json.set("examples", list(std::move(example)));
  return json;
}

}  // namespace switchyard
