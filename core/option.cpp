#include "core/option.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/json.h"

namespace switchyard {

std::string to_string(const Interval& interval) {
  const bool low = std::isfinite(interval.low);
  const bool high = std::isfinite(interval.high);
  if (!low && !high) return "any number";
  if (!high) return fmt::format("{} {}", interval.low_open ? ">" : ">=", shortest(interval.low));
  if (!low) return fmt::format("{} {}", interval.high_open ? "<" : "<=", shortest(interval.high));
  return fmt::format("in {}{}, {}{}", interval.low_open ? '(' : '[', shortest(interval.low), shortest(interval.high),
                     interval.high_open ? ')' : ']');
}

const OptionValue* find_option(const OptionValues& values, std::string_view name) {
  const auto found = std::find_if(values.begin(), values.end(), [&](const auto& entry) { return entry.first == name; });
  return found == values.end() ? nullptr : &found->second;
}

OptionValue* find_option(OptionValues& values, std::string_view name) {
  return const_cast<OptionValue*>(find_option(std::as_const(values), name));
}

const std::shared_ptr<const OptionValues>& SharedOptions::none() {
  static const auto empty = std::make_shared<const OptionValues>();
  return empty;
}

void SharedOptions::set(std::string_view name, OptionValue value) {
  auto changed = *values_;
  auto* option = find_option(changed, name);
  if (option == nullptr) throw std::logic_error("no option `" + std::string(name) + "`");
  *option = std::move(value);
  values_ = std::make_shared<const OptionValues>(std::move(changed));
}

bool truthy(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer != 0;
  if (const auto* number = std::get_if<double>(&value)) return *number != 0;
  if (const auto* text = std::get_if<std::string>(&value)) return !text->empty();
  return !std::get<std::vector<double>>(value).empty();
}

std::string to_string(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return shortest(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  std::string out = "[";
  for (const auto number : std::get<std::vector<double>>(value)) out += (out.size() > 1 ? ", " : "") + shortest(number);
  return out + "]";
}

std::string expected(const OptionInfo& option) {
  const bool bounded = std::isfinite(option.interval.low) || std::isfinite(option.interval.high);
  const auto range = bounded ? " " + to_string(option.interval) : "";
  switch (option.type) {
    case OptionType::boolean:
      return "true or false";
    case OptionType::integer:
      return "an integer" + range;
    case OptionType::number:
      return "a number" + range;
    case OptionType::numbers:
      return fmt::format("a list of {} numbers{}", option.length, bounded ? ", each" + range : "");
    case OptionType::choice: {
      std::string names;
      for (const auto& choice : option.choices) names += (names.empty() ? "" : ", ") + choice.name;
      return "one of " + names;
    }
  }
  return "";
}

std::string check_option(const OptionInfo& option, OptionValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value);
      integer != nullptr && option.type == OptionType::number) {
    value = static_cast<double>(*integer);
  }
  const auto legal = [&]() -> bool {
    switch (option.type) {
      case OptionType::boolean:
        return std::holds_alternative<bool>(value);
      case OptionType::integer: {
        const auto* integer = std::get_if<std::int64_t>(&value);
        return integer != nullptr && option.interval.contains(static_cast<double>(*integer));
      }
      case OptionType::number: {
        const auto* number = std::get_if<double>(&value);
        return number != nullptr && std::isfinite(*number) && option.interval.contains(*number);
      }
      case OptionType::numbers: {
        const auto* numbers = std::get_if<std::vector<double>>(&value);
        return numbers != nullptr && numbers->size() == option.length &&
               std::all_of(numbers->begin(), numbers->end(),
                           [&](double number) { return std::isfinite(number) && option.interval.contains(number); });
      }
      case OptionType::choice: {
        const auto* text = std::get_if<std::string>(&value);
        return text != nullptr && std::any_of(option.choices.begin(), option.choices.end(),
                                              [&](const OptionChoice& choice) { return choice.name == *text; });
      }
    }
    return false;
  };
  return legal() ? "" : expected(option);
}

}  // namespace switchyard
