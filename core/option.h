#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace switchyard {

/// The value of an option of a plugin: a flag, a whole number, a number, a choice (or other text), or a short list of
/// numbers.
using OptionValue = std::variant<bool, std::int64_t, double, std::string, std::vector<double>>;

enum class OptionType : std::uint8_t { boolean, integer, number, choice, numbers };

/// Allowed numbers, each end open or closed.
struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;

  bool contains(double value) const {
    return (low_open ? value > low : value >= low) && (high_open ? value < high : value <= high);
  }
};

/// "[0, 1)", ">= 0", "> 0", "any number".
std::string to_string(const Interval& interval);

/// What the executor must know about an option beyond its value.
enum class OptionRole : std::uint8_t {
  plain,
  weight_decay,  ///< the decay coefficient wd; the executor turns it into the decay factor of each piece
  decay_mode,    ///< a choice of core's DecayMode
  shape_scale,   ///< a choice of core's ShapeScale; the factor of a block's update
};

struct OptionChoice {
  std::string name;
  std::string doc;
};

/// One option of a plugin, as plain data: what the JSON reader, defaults, range errors, schema and documentation derive
/// from.
struct OptionInfo {
  std::string name;
  std::string doc;
  OptionType type = OptionType::number;
  OptionValue default_value;
  Interval interval;                  ///< of an integer, a number, or each of the numbers
  std::size_t length = 0;             ///< of `numbers`
  std::vector<OptionChoice> choices;  ///< of `choice`
  bool schedulable = false;           ///< a schedule may drive it; its value is then the schedule's
  bool arithmetic = false;            ///< changes the order of rounding, not the update rule
  OptionRole role = OptionRole::plain;
};

/// Resolved options of one parameter or group, in the order of the plugin's table: every option, each with its value.
using OptionValues = std::vector<std::pair<std::string, OptionValue>>;

/// Resolved options that many parameters have in common: copies share one list, which never changes; a copy that is
/// written gets a list of its own.
class SharedOptions {
 public:
  SharedOptions() : values_(none()) {}  // NOLINTNEXTLINE(google-explicit-constructor)
  SharedOptions(OptionValues values) : values_(std::make_shared<const OptionValues>(std::move(values))) {}

  operator const OptionValues&() const { return *values_; }  // NOLINT(google-explicit-constructor)
  /// Sets the option `name`, which must be there.
  void set(std::string_view name, OptionValue value);
  bool empty() const { return values_->empty(); }
  OptionValues::const_iterator begin() const { return values_->begin(); }
  OptionValues::const_iterator end() const { return values_->end(); }
  friend bool operator==(const SharedOptions& a, const SharedOptions& b) {
    return a.values_ == b.values_ || *a.values_ == *b.values_;
  }

 private:
  static const std::shared_ptr<const OptionValues>& none();  ///< the list of what has no options

  std::shared_ptr<const OptionValues> values_;
};

/// The value of `name`; null if there is none.
const OptionValue* find_option(const OptionValues& values, std::string_view name);
OptionValue* find_option(OptionValues& values, std::string_view name);

/// True when a flag is set, a number is not zero, a text is not empty.
bool truthy(const OptionValue& value);

/// "0.95", "true", "jordan", "[0.9, 0.95]".
std::string to_string(const OptionValue& value);

/// "" if `value` is legal for `option`, else what was expected: "a number in [0, 1)", "one of ema, heavy_ball".
/// An integer is accepted where a number is expected and converted in place; nothing else is converted.
std::string check_option(const OptionInfo& option, OptionValue& value);

/// What `check_option` would say was expected.
std::string expected(const OptionInfo& option);

}  // namespace switchyard
