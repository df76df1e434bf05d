#include "core/plan.h"

#include <algorithm>

#include "core/execution.h"

namespace switchyard {

double LrFactors::scale() const {
  double product = rule;
  for (const auto& [id, factor] : overrides) product *= factor;
  return product * modular_norm;
}

std::vector<Block> PlannedParameter::blocks(const OptimizerDescriptor& plugin_descriptor) const {
  if (frozen() || !plugin_descriptor.needs_matrix()) return {};
  auto all = enumerate_blocks(view, info.shape);
  for (auto& block : all) block.scale = plugin_descriptor.scale(settings, block.out, block.in);
  return all;
}

void describe_parts(PlannedParameter& parameter, const OptimizerDescriptor& descriptor) {
  parameter.parts.clear();
  if (!descriptor.needs_matrix()) return;
  const auto& view = parameter.view;
  const auto& shape = parameter.info.shape;
  std::int64_t batches = 1;
  for (const auto axis : view.batch) batches *= shape[static_cast<std::size_t>(axis)];
  auto cuts = view.parts;
  if (cuts.empty()) cuts.push_back({"", {}});
  for (const auto& cut : cuts) {
    const auto size = [&](int axis) {
      return axis == view.split_axis ? cut.cut.size() : shape[static_cast<std::size_t>(axis)];
    };
    PlannedPart part;
    part.name = cut.name;
    part.count = batches;
    if (view.heads_axis >= 0) part.count *= size(view.heads_axis) / view.head_size;
    const auto product = [&](const std::vector<int>& axes) {
      std::int64_t out = 1;
      for (const auto axis : axes) out *= axis == view.heads_axis ? view.head_size : size(axis);
      return out;
    };
    part.out = product(view.out);
    part.in = product(view.in);
    part.scale = descriptor.scale(parameter.settings, part.out, part.in);
    if (view.split_axis >= 0) {
      part.select_axis = view.split_axis;
      part.select = cut.cut;
    }
    parameter.parts.push_back(std::move(part));
  }
}

const PlannedGroup* Plan::find_group(std::string_view id) const {
  const auto found =
      std::find_if(groups.begin(), groups.end(), [&](const PlannedGroup& group) { return group.id == id; });
  return found == groups.end() ? nullptr : &*found;
}

const PlannedParameter* Plan::find(const std::string& parameter) const {
  for (const auto& planned : parameters) {
    const auto& names = planned.info.names;
    if (std::find(names.begin(), names.end(), parameter) != names.end()) return &planned;
  }
  return nullptr;
}

Json to_json(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return Json::boolean(*flag);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return Json::integer(*integer);
  if (const auto* number = std::get_if<double>(&value)) return Json::real(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return Json::string(*text);
  auto list = Json::array();
  for (const auto number : std::get<std::vector<double>>(value)) list.push(Json::real(number));
  return list;
}

std::optional<OptionValue> option_value_from_json(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::boolean:
      return value.as_bool();
    case Json::Kind::integer:
      return value.as_int();
    case Json::Kind::real:
      return value.as_double();
    case Json::Kind::string:
      return value.as_string();
    case Json::Kind::array: {
      std::vector<double> numbers;
      for (const auto& item : value.items()) {
        if (!item.is_number()) return std::nullopt;
        numbers.push_back(item.as_double());
      }
      return numbers;
    }
    case Json::Kind::null:
    case Json::Kind::object:
      break;
  }
  return std::nullopt;
}

namespace {

Json integers(const std::vector<std::int64_t>& values) {
  auto list = Json::array();
  for (const auto value : values) list.push(Json::integer(value));
  return list;
}

Json part_json(const PlannedPart& part) {
  auto json = Json::object();
  json.set("name", part.name);
  json.set("out", Json::integer(part.out));
  json.set("in", Json::integer(part.in));
  json.set("count", Json::integer(part.count));
  json.set("scale", Json::real(part.scale));
  if (part.select_axis >= 0) {
    auto select = Json::object();
    select.set("axis", Json::integer(part.select_axis));
    select.set("start", Json::integer(part.select.start));
    select.set("length", Json::integer(part.select.length));
    select.set("stride", Json::integer(part.select.stride));
    select.set("times", Json::integer(part.select.times));
    json.set("select", std::move(select));
  }
  return json;
}

Json factors_json(const LrFactors& factors) {
  auto json = Json::object();
  json.set("base", Json::real(factors.base));
  json.set("rule", Json::real(factors.rule));
  auto overrides = Json::object();
  for (const auto& [id, factor] : factors.overrides) overrides.set(id, Json::real(factor));
  json.set("overrides", std::move(overrides));
  json.set("modular_norm", Json::real(factors.modular_norm));
  json.set("lr", Json::real(factors.lr()));
  return json;
}

}  // namespace

Json to_json(const PlannedParameter& parameter, const PlannedGroup* group) {
  const auto& info = parameter.info;
  auto json = Json::object();
  json.set("name", info.name());
  auto aliases = Json::array();
  for (std::size_t i = 1; i < info.names.size(); ++i) aliases.push(Json::string(info.names[i]));
  json.set("aliases", std::move(aliases));
  json.set("shape", integers(info.shape));
  json.set("dtype", info.dtype_name);
  json.set("elements", Json::integer(info.numel()));
  json.set("rule", parameter.rule);
  json.set("optimizer", parameter.optimizer);
  json.set("plugin", parameter.plugin);
  auto blocks = Json::array();
  for (const auto& part : parameter.parts) blocks.push(part_json(part));
  json.set("blocks", std::move(blocks));
  json.set("constraints", Json::array());
  json.set("factors", parameter.frozen() ? Json::object() : factors_json(parameter.factors));
  auto settings = Json::object();
  if (!parameter.frozen()) {
    for (const auto& [name, value] : parameter.settings) settings.set(name, to_json(value));
    auto schedules = Json::object();
    if (group != nullptr) {
      for (const auto& [name, schedule] : schedules_of(parameter, *group)) schedules.set(name, to_json(schedule));
    }
    settings.set("schedules", std::move(schedules));
  }
  json.set("settings", std::move(settings));
  return json;
}

Json to_json(const Diagnostic& diagnostic, const Sources& sources) {
  auto json = Json::object();
  json.set("severity", std::string(to_string(diagnostic.severity)));
  json.set("code", diagnostic.code);
  json.set("message", diagnostic.message);
  json.set("file", diagnostic.place.span.file);
  LineColumn at;
  if (const auto source = sources.find(diagnostic.place.span.file); source != sources.end()) {
    at = line_column(source->second, diagnostic.place.span.offset);
  }
  json.set("line", Json::integer(at.line));
  json.set("column", Json::integer(at.column));
  json.set("pointer", diagnostic.place.pointer);
  json.set("help", diagnostic.help);
  return json;
}

Json to_json(const Plan& plan, const Sources& sources) {
  auto json = Json::object();
  json.set("switchyard_plan", Json::integer(1));
  json.set("state_hash", plan.state_hash);
  json.set("plan_hash", plan.plan_hash);
  auto parameters = Json::array();
  for (const auto& parameter : plan.parameters)
    parameters.push(to_json(parameter, plan.find_group(parameter.optimizer)));
  json.set("parameters", std::move(parameters));
  auto diagnostics = Json::array();
  for (const auto& diagnostic : plan.diagnostics.items()) diagnostics.push(to_json(diagnostic, sources));
  json.set("diagnostics", std::move(diagnostics));
  return json;
}

}  // namespace switchyard
