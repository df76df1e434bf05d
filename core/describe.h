#pragma once

#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "core/option.h"

/// Options declared once. A plugin writes a plain struct with defaults and one table, found by argument-dependent
/// lookup:
///
///   struct MuonOptions { double momentum = 0.95; Momentum form = Momentum::ema; };
///   constexpr auto describe(of<Momentum>) { return choices(choice("ema", Momentum::ema, "..."), ...); }
///   constexpr auto describe(of<MuonOptions>) {
///     return options(option("momentum", &MuonOptions::momentum, half_open(0, 1), "Decay of the
///     average.").schedulable(), ...);
///   }
///
/// Members may be bool, std::int64_t, double, an enum with a table of choices, or std::array<double, N>. A member
/// without an entry in the table is a compile error (the table's length is compared with the number of members of the
/// aggregate).
namespace switchyard {

template <class T>
struct of {};

constexpr Interval closed(double low, double high) { return {low, high, false, false}; }
constexpr Interval half_open(double low, double high) { return {low, high, false, true}; }
constexpr Interval open(double low, double high) { return {low, high, true, true}; }
constexpr Interval at_least(double low) { return {low, std::numeric_limits<double>::infinity(), false, false}; }
constexpr Interval above(double low) { return {low, std::numeric_limits<double>::infinity(), true, false}; }
constexpr Interval any_number() { return {}; }

template <class E>
struct Choice {
  const char* name;
  E value;
  const char* doc;
};
template <class E>
constexpr Choice<E> choice(const char* name, E value, const char* doc) {
  return {name, value, doc};
}
template <class E, class... Rest>
constexpr std::array<Choice<E>, 1 + sizeof...(Rest)> choices(Choice<E> first, Rest... rest) {
  return {first, rest...};
}

template <class T, class M>
struct Option {
  const char* name;
  M T::*member;
  Interval interval;
  const char* doc;
  bool is_schedulable = false;
  bool is_arithmetic = false;
  OptionRole role_of = OptionRole::plain;

  constexpr Option schedulable() const {
    auto copy = *this;
    copy.is_schedulable = true;
    return copy;
  }
  constexpr Option arithmetic() const {
    auto copy = *this;
    copy.is_arithmetic = true;
    return copy;
  }
  constexpr Option role(OptionRole role) const {
    auto copy = *this;
    copy.role_of = role;
    return copy;
  }
};

template <class T, class M>
constexpr Option<T, M> option(const char* name, M T::*member, Interval interval, const char* doc) {
  return {name, member, interval, doc};
}
template <class T, class M>
constexpr Option<T, M> option(const char* name, M T::*member, const char* doc) {
  return {name, member, Interval{}, doc};
}

namespace detail {

struct AnyMember {
  template <class T>
  constexpr operator T() const;  // NOLINT: must convert implicitly to stand for any member in a braced list
};

template <class T, std::size_t... I>
constexpr bool braces_with(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), AnyMember{})...}; };
}

template <class T, std::size_t N = 0>
constexpr std::size_t member_count() {
  if constexpr (!braces_with<T>(std::make_index_sequence<N + 1>{})) {
    return N;
  } else {
    return member_count<T, N + 1>();
  }
}

}  // namespace detail

template <class T, class... M>
constexpr auto options(Option<T, M>... entries) {
  static_assert(detail::member_count<T>() == sizeof...(M),
                "every member of the options struct needs one entry in its table");
  return std::make_tuple(entries...);
}

/// An option table with the struct behind it erased: what a descriptor holds.
/// `make` builds the struct from resolved values; `read` lists the values of a struct. Both empty for tables loaded
/// from JSON.
struct OptionTable {
  std::vector<OptionInfo> options;
  std::function<std::shared_ptr<const void>(const OptionValues&)> make;
  const std::type_info* type = nullptr;  ///< of what `make` makes

  const OptionInfo* find(std::string_view name) const;
  std::vector<std::string> names() const;
  OptionValues defaults() const;
  /// The option with a role other than plain; null if the plugin has none.
  const OptionInfo* with_role(OptionRole role) const;
};

namespace detail {

template <class M>
constexpr bool is_numbers = false;
template <std::size_t N>
constexpr bool is_numbers<std::array<double, N>> = true;

template <class M>
OptionValue to_value(const M& member) {
  if constexpr (std::is_enum_v<M>) {
    for (const auto& entry : describe(of<M>{})) {
      if (entry.value == member) return std::string(entry.name);
    }
    throw std::logic_error("an enumerator has no entry in its table of choices");
  } else if constexpr (is_numbers<M>) {
    return std::vector<double>(member.begin(), member.end());
  } else {
    return member;
  }
}

template <class M>
void from_value(const OptionValue& value, M& member) {
  if constexpr (std::is_enum_v<M>) {
    for (const auto& entry : describe(of<M>{})) {
      if (std::get<std::string>(value) == entry.name) member = entry.value;
    }
  } else if constexpr (is_numbers<M>) {
    const auto& numbers = std::get<std::vector<double>>(value);
    std::copy(numbers.begin(), numbers.end(), member.begin());
  } else {
    member = std::get<M>(value);
  }
}

template <class T, class M>
OptionInfo to_info(const Option<T, M>& entry) {
  OptionInfo info;
  info.name = entry.name;
  info.doc = entry.doc;
  info.interval = entry.interval;
  info.schedulable = entry.is_schedulable;
  info.arithmetic = entry.is_arithmetic;
  info.role = entry.role_of;
  info.default_value = to_value(T{}.*entry.member);
  if constexpr (std::is_enum_v<M>) {
    info.type = OptionType::choice;
    for (const auto& choice : describe(of<M>{})) info.choices.push_back({choice.name, choice.doc});
  } else if constexpr (is_numbers<M>) {
    info.type = OptionType::numbers;
    info.length = std::tuple_size_v<M>;
  } else if constexpr (std::is_same_v<M, bool>) {
    info.type = OptionType::boolean;
  } else if constexpr (std::is_same_v<M, std::int64_t>) {
    info.type = OptionType::integer;
  } else {
    static_assert(std::is_same_v<M, double>,
                  "options are bool, std::int64_t, double, an enum or std::array<double, N>");
    info.type = OptionType::number;
  }
  return info;
}

}  // namespace detail

/// The erased table of an options struct.
template <class T>
OptionTable option_table() {
  OptionTable table;
  std::apply([&](const auto&... entry) { (table.options.push_back(detail::to_info(entry)), ...); }, describe(of<T>{}));
  table.type = &typeid(T);
  table.make = [](const OptionValues& values) -> std::shared_ptr<const void> {
    auto made = std::make_shared<T>();
    std::apply(
        [&](const auto&... entry) {
          const auto read = [&](const auto& one) {
            if (const auto* value = find_option(values, one.name)) detail::from_value(*value, (*made).*one.member);
          };
          (read(entry), ...);
        },
        describe(of<T>{}));
    return made;
  };
  return table;
}

}  // namespace switchyard
