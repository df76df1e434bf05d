#include "core/json.h"

#include <fmt/format.h>

#include <stdexcept>

namespace switchyard {

namespace {

[[noreturn]] void wrong_kind(std::string_view wanted, std::string_view given) {
  throw std::logic_error(fmt::format("json: expected {}, got {}", wanted, given));
}

}  // namespace

Json::Json() = default;
Json::~Json() = default;
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;

Json Json::null() { return {}; }

Json Json::boolean(bool value) {
  Json json;
  json.value_ = value;
  return json;
}

Json Json::integer(std::int64_t value) {
  Json json;
  json.value_ = value;
  return json;
}

Json Json::real(double value) {
  Json json;
  json.value_ = value;
  return json;
}

Json Json::string(std::string value) {
  Json json;
  json.value_ = std::move(value);
  return json;
}

Json Json::array() {
  Json json;
  json.value_ = std::vector<Json>{};
  return json;
}

Json Json::object() {
  Json json;
  json.value_ = std::vector<Member>{};
  return json;
}

Span Json::span() const { return {file_ != nullptr ? *file_ : std::string(), offset_, length_}; }

std::string_view Json::kind_name() const {
  switch (kind()) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "a boolean";
    case Kind::integer:
      return "an integer";
    case Kind::real:
      return "a number";
    case Kind::string:
      return "a string";
    case Kind::array:
      return "an array";
    case Kind::object:
      return "an object";
  }
  return "null";
}

bool Json::as_bool() const {
  if (!is(Kind::boolean)) wrong_kind("a boolean", kind_name());
  return std::get<bool>(value_);
}

std::int64_t Json::as_int() const {
  if (!is(Kind::integer)) wrong_kind("an integer", kind_name());
  return std::get<std::int64_t>(value_);
}

double Json::as_double() const {
  if (is(Kind::integer)) return static_cast<double>(std::get<std::int64_t>(value_));
  if (!is(Kind::real)) wrong_kind("a number", kind_name());
  return std::get<double>(value_);
}

const std::string& Json::as_string() const {
  if (!is(Kind::string)) wrong_kind("a string", kind_name());
  return std::get<std::string>(value_);
}

const std::vector<Json>& Json::items() const {
  static const std::vector<Json> none;
  const auto* items = std::get_if<std::vector<Json>>(&value_);
  return items == nullptr ? none : *items;
}

const std::vector<Json::Member>& Json::members() const {
  static const std::vector<Member> none;
  const auto* members = std::get_if<std::vector<Member>>(&value_);
  return members == nullptr ? none : *members;
}

const Json* Json::find(std::string_view key) const {
  for (const auto& member : members()) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

std::size_t Json::size() const { return is(Kind::object) ? members().size() : items().size(); }

Json& Json::push(Json value) {
  if (!is(Kind::array)) wrong_kind("an array", kind_name());
  return std::get<std::vector<Json>>(value_).emplace_back(std::move(value));
}

Json& Json::set(std::string key, Json value) {
  if (!is(Kind::object)) wrong_kind("an object", kind_name());
  auto& members = std::get<std::vector<Member>>(value_);
  members.push_back({std::move(key), 0, 0, std::move(value)});
  return members.back().value;
}

}  // namespace switchyard
