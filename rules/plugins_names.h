#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/registry.h"

/// The words that descriptions of plugins use, once for both directions.
namespace switchyard::plugins {

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
                                                          {Unit::chunk, "chunk"},
                                                          {Unit::row, "row"},
                                                          {Unit::column, "column"},
                                                          {Unit::matrix, "matrix"}};
};
template <>
struct Names<SlotShape> {
  static constexpr const auto& rows = slot_shape_names;
};
template <>
struct Names<SlotDtype> {
  static constexpr const auto& rows = slot_dtype_names;
};

template <class E>
std::string name_of(E value) {
  for (const auto& [key, name] : Names<E>::rows) {
    if (key == value) return name;
  }
  throw std::logic_error("an enumerator has no name");
}

template <class E>
std::vector<std::string> all_names() {
  std::vector<std::string> out;
  for (const auto& [key, name] : Names<E>::rows) out.emplace_back(name);
  return out;
}
template <class E>
E value_of(const std::string& given, E otherwise) {
  for (const auto& [key, name] : Names<E>::rows) {
    if (given == name) return key;
  }
  return otherwise;
}

/// The boolean traits by name.
template <class T, class Visit>
void each_flag(T& traits, Visit&& visit) {
  visit("needs_param", traits.needs_param);
  visit("needs_lr", traits.needs_lr);
  visit("master", traits.master);
  visit("predicated", traits.predicated);
  visit("scale_free", traits.scale_free);
}

}  // namespace switchyard::plugins
