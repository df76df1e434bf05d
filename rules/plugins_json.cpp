#include "rules/plugins_json.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/plan.h"

namespace switchyard {

namespace {

template <class E>
struct Names;
template <>
struct Names<OptionType> {
  static constexpr std::pair<OptionType, const char*> rows[] = {{OptionType::boolean, "boolean"},
                                                                {OptionType::integer, "integer"},
                                                                {OptionType::number, "number"},
                                                                {OptionType::choice, "choice"},
                                                                {OptionType::numbers, "numbers"}};
};
template <>
struct Names<OptionRole> {
  static constexpr std::pair<OptionRole, const char*> rows[] = {{OptionRole::plain, "plain"},
                                                                {OptionRole::weight_decay, "weight_decay"},
                                                                {OptionRole::decay_mode, "decay_mode"},
                                                                {OptionRole::shape_scale, "shape_scale"}};
};
template <>
struct Names<Unit> {
  static constexpr std::pair<Unit, const char*> rows[] = {{Unit::element, "element"},
                                                          {Unit::run, "run"},
                                                          {Unit::row, "row"},
                                                          {Unit::column, "column"},
                                                          {Unit::matrix, "matrix"}};
};
template <>
struct Names<SlotShape> {
  static constexpr std::pair<SlotShape, const char*> rows[] = {{SlotShape::like_param, "like_param"},
                                                               {SlotShape::code_u8, "code_u8"},
                                                               {SlotShape::per_run, "per_run"},
                                                               {SlotShape::per_out_row, "per_out_row"},
                                                               {SlotShape::per_in_column, "per_in_column"},
                                                               {SlotShape::out_by_out, "out_by_out"},
                                                               {SlotShape::in_by_in, "in_by_in"},
                                                               {SlotShape::block_scalar, "block_scalar"},
                                                               {SlotShape::block_matrix, "block_matrix"}};
};

template <class E>
std::string name_of(E value) {
  for (const auto& [key, name] : Names<E>::rows) {
    if (key == value) return name;
  }
  throw std::logic_error("an enumerator has no name");
}

/// The boolean traits by name, once for both directions.
template <class T, class Visit>
void each_flag(T& traits, Visit&& visit) {
  visit("needs_param", traits.needs_param);
  visit("needs_lr", traits.needs_lr);
  visit("master", traits.master);
  visit("predicated", traits.predicated);
  visit("scale_free", traits.scale_free);
}

Json option_json(const OptionInfo& option) {
  auto json = Json::object();
  json.set("name", option.name);
  json.set("type", name_of(option.type));
  json.set("default", to_json(option.default_value));
  const auto& interval = option.interval;
  if (std::isfinite(interval.low)) json.set(interval.low_open ? "above" : "at_least", Json::real(interval.low));
  if (std::isfinite(interval.high)) json.set(interval.high_open ? "below" : "at_most", Json::real(interval.high));
  if (option.type == OptionType::numbers) json.set("length", Json::integer(static_cast<std::int64_t>(option.length)));
  if (!option.choices.empty()) {
    auto& choices = json.set("choices", Json::array());
    for (const auto& choice : option.choices) {
      auto& row = choices.push(Json::object());
      row.set("name", choice.name);
      row.set("doc", choice.doc);
    }
  }
  if (option.schedulable) json.set("schedulable", Json::boolean(true));
  if (option.arithmetic) json.set("arithmetic", Json::boolean(true));
  if (option.role != OptionRole::plain) json.set("role", name_of(option.role));
  json.set("doc", option.doc);
  return json;
}

/// Typed access to a document that should be right; says where it is not.
class Fields {
 public:
  Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is(Json::Kind::object)) fail("must be an object");
  }
  [[noreturn]] void fail(std::string_view what) const {
    throw OptimizerError(fmt::format("plugins document: {} {}", where_, what));
  }

  const Json* find(std::string_view key, Json::Kind kind) const {
    const auto* value = json_.find(key);
    const bool fits = value == nullptr || value->is(kind) || (kind == Json::Kind::real && value->is_number());
    if (!fits) fail(fmt::format("has `{}` of the wrong kind, {}", key, value->kind_name()));
    return value;
  }
  std::string text(std::string_view key, std::string_view otherwise) const {
    const auto* value = find(key, Json::Kind::string);
    return value == nullptr ? std::string(otherwise) : value->as_string();
  }
  std::int64_t integer(std::string_view key, std::int64_t otherwise) const {
    const auto* value = find(key, Json::Kind::integer);
    return value == nullptr ? otherwise : value->as_int();
  }
  const double* real(std::string_view key, double& into) const {
    const auto* value = find(key, Json::Kind::real);
    if (value == nullptr) return nullptr;
    into = value->as_double();
    return &into;
  }
  bool flag(std::string_view key) const {
    const auto* value = find(key, Json::Kind::boolean);
    return value != nullptr && value->as_bool();
  }
  template <class E>
  E name(std::string_view key, E otherwise) const {
    const auto* value = find(key, Json::Kind::string);
    if (value == nullptr) return otherwise;
    for (const auto& [row, name] : Names<E>::rows) {
      if (value->as_string() == name) return row;
    }
    fail(fmt::format("has an unknown {} `{}`", key, value->as_string()));
  }
  template <class Visit>
  void each(std::string_view key, Visit&& visit) const {
    const auto* list = find(key, Json::Kind::array);
    if (list == nullptr) return;
    std::size_t i = 0;
    for (const auto& item : list->items()) visit(Fields(item, fmt::format("{}/{}/{}", where_, key, i++)));
  }
  const Json& json() const { return json_; }
  const std::string& where() const { return where_; }

 private:
  const Json& json_;
  std::string where_;
};

OptionInfo option_from(const Fields& in) {
  OptionInfo out;
  out.name = in.text("name", "");
  out.doc = in.text("doc", "");
  out.type = in.name("type", OptionType::number);
  out.interval.low_open = in.real("above", out.interval.low) != nullptr;
  out.interval.high_open = in.real("below", out.interval.high) != nullptr;
  in.real("at_least", out.interval.low);
  in.real("at_most", out.interval.high);
  out.length = static_cast<std::size_t>(in.integer("length", 0));
  in.each("choices", [&](const Fields& choice) {
    out.choices.push_back({choice.text("name", ""), choice.text("doc", "")});
  });
  out.schedulable = in.flag("schedulable");
  out.arithmetic = in.flag("arithmetic");
  out.role = in.name("role", OptionRole::plain);
  const auto* given = in.json().find("default");
  auto value = given == nullptr ? std::nullopt : option_value_from_json(*given);
  if (!value) in.fail("needs a default");
  if (const auto wanted = check_option(out, *value); !wanted.empty()) in.fail("has a default that is not " + wanted);
  out.default_value = std::move(*value);
  return out;
}

OptimizerDescriptor descriptor_from(const Fields& in) {
  OptimizerDescriptor out;
  out.name = in.text("name", "");
  out.doc = in.text("doc", "");
  out.version = in.text("version", "1.0");
  out.state_version = in.integer("state_version", 1);
  in.each("options", [&](const Fields& option) { out.table.options.push_back(option_from(option)); });
  in.each("slots", [&](const Fields& slot) {
    Slot made;
    made.name = slot.text("name", "");
    made.shape = slot.name("shape", SlotShape::like_param);
    made.when = slot.text("when", "");
    slot.real("initial", made.initial);
    out.slots.push_back(std::move(made));
  });
  if (const auto* json = in.find("traits", Json::Kind::object)) {
    const Fields traits(*json, in.where() + "/traits");
    out.traits.unit = traits.name("unit", Unit::element);
    out.traits.run = traits.integer("run", 0);
    out.traits.run_option = traits.text("run_option", "");
    each_flag(out.traits, [&](const char* name, bool& flag) { flag = traits.flag(name); });
    if (const auto* upholds = traits.find("upholds", Json::Kind::array)) {
      for (const auto& name : upholds->items()) {
        if (!name.is(Json::Kind::string)) traits.fail("must have `upholds`, a list of strings");
        out.traits.upholds.push_back(name.as_string());
      }
    }
  }
  return out;
}

}  // namespace

Json plugin_json(const OptimizerDescriptor& descriptor) {
  auto json = Json::object();
  json.set("name", descriptor.name);
  json.set("doc", descriptor.doc);
  json.set("version", descriptor.version);
  json.set("state_version", Json::integer(descriptor.state_version));
  auto& options = json.set("options", Json::array());
  for (const auto& option : descriptor.table.options) options.push(option_json(option));
  auto& slots = json.set("slots", Json::array());
  for (const auto& slot : descriptor.slots) {
    auto& row = slots.push(Json::object());
    row.set("name", slot.name);
    row.set("shape", name_of(slot.shape));
    if (!slot.when.empty()) row.set("when", slot.when);
    if (slot.initial != 0) row.set("initial", Json::real(slot.initial));
  }
  auto& traits = json.set("traits", Json::object());
  traits.set("unit", name_of(descriptor.traits.unit));
  if (descriptor.traits.run != 0) traits.set("run", Json::integer(descriptor.traits.run));
  if (!descriptor.traits.run_option.empty()) traits.set("run_option", descriptor.traits.run_option);
  each_flag(descriptor.traits, [&](const char* name, bool flag) {
    if (flag) traits.set(name, Json::boolean(true));
  });
  if (!descriptor.traits.upholds.empty()) {
    auto& upholds = traits.set("upholds", Json::array());
    for (const auto& name : descriptor.traits.upholds) upholds.push(Json::string(name));
  }
  return json;
}

Json plugins_json(const Registry& registry) {
  auto json = Json::object();
  json.set("switchyard_plugins", Json::integer(1));
  auto& plugins = json.set("plugins", Json::array());
  for (const auto& descriptor : registry.optimizers()) plugins.push(plugin_json(descriptor));
  return json;
}

Registry registry_from_json(std::string_view text) {
  Diagnostics diagnostics;
  const auto json = parse_json(text, "plugins", diagnostics);
  if (!json || diagnostics.has_errors()) throw SpecError(diagnostics, {{"plugins", std::string(text)}});
  const Fields root(*json, "");
  if (root.integer("switchyard_plugins", 0) != 1) root.fail("`switchyard_plugins` must be 1");
  Registry registry;
  root.each("plugins", [&](const Fields& plugin) { registry.add(descriptor_from(plugin)); });
  return registry;
}

}  // namespace switchyard
