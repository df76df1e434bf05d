#include "core/option.h"

#include <doctest/doctest.h>

#include <limits>

using namespace switchyard;

namespace {

OptionInfo number(Interval interval) {
  OptionInfo info;
  info.name = "momentum";
  info.type = OptionType::number;
  info.interval = interval;
  return info;
}

std::string check(const OptionInfo& info, OptionValue value) { return check_option(info, value); }

}  // namespace

TEST_CASE("option: intervals contain their closed ends only") {
  const Interval interval = {0, 1, false, true};
  CHECK(interval.contains(0));
  CHECK(interval.contains(0.999));
  CHECK_FALSE(interval.contains(1));
  CHECK_FALSE(interval.contains(-1e-300));
  CHECK_FALSE(interval.contains(std::numeric_limits<double>::quiet_NaN()));
  CHECK(Interval{}.contains(1e308));
  CHECK(to_string(interval) == "in [0, 1)");
  CHECK(to_string(Interval{0, 1, true, false}) == "in (0, 1]");
  CHECK(to_string(Interval{0}) == ">= 0");
  CHECK(to_string(Interval{0, std::numeric_limits<double>::infinity(), true, false}) == "> 0");
  CHECK(to_string(Interval{-std::numeric_limits<double>::infinity(), 5, false, true}) == "< 5");
  CHECK(to_string(Interval{}) == "any number");
}

TEST_CASE("option: numbers are checked against their range, and an integer is a number") {
  const auto momentum = number({0, 1, false, true});
  CHECK(check(momentum, 0.95).empty());
  CHECK(check(momentum, 0.0).empty());
  CHECK(check(momentum, 1.0) == "a number in [0, 1)");
  CHECK(check(momentum, -0.1) == "a number in [0, 1)");
  CHECK(check(momentum, std::int64_t{1}) == "a number in [0, 1)");
  CHECK(check(momentum, std::numeric_limits<double>::quiet_NaN()) == "a number in [0, 1)");
  CHECK(check(momentum, true) == "a number in [0, 1)");
  CHECK(check(momentum, std::string("0.5")) == "a number in [0, 1)");
  CHECK(check(momentum, std::vector<double>{0.5}) == "a number in [0, 1)");
  CHECK_FALSE(check(number({}), std::numeric_limits<double>::infinity()).empty());
  OptionValue value = std::int64_t{0};
  CHECK(check_option(momentum, value).empty());
  CHECK(std::get<double>(value) == 0.0);  // converted in place
}

TEST_CASE("option: nothing but an integer is an integer") {
  auto steps = number({1, 100});
  steps.type = OptionType::integer;
  CHECK(check(steps, std::int64_t{5}).empty());
  CHECK(check(steps, 5.0) == "an integer in [1, 100]");
  CHECK(check(steps, std::int64_t{0}) == "an integer in [1, 100]");
  CHECK(check(steps, std::int64_t{101}) == "an integer in [1, 100]");
  CHECK(check(steps, true) == "an integer in [1, 100]");
}

TEST_CASE("option: flags, choices and lists") {
  OptionInfo flag;
  flag.type = OptionType::boolean;
  CHECK(check(flag, true).empty());
  CHECK(check(flag, std::int64_t{1}) == "true or false");
  CHECK(check(flag, std::string("true")) == "true or false");

  OptionInfo choice;
  choice.type = OptionType::choice;
  choice.choices = {{"ema", ""}, {"heavy_ball", ""}};
  CHECK(check(choice, std::string("ema")).empty());
  CHECK(check(choice, std::string("EMA")) == "one of ema, heavy_ball");
  CHECK(check(choice, std::string()) == "one of ema, heavy_ball");
  CHECK(check(choice, true) == "one of ema, heavy_ball");

  auto betas = number({0, 1, false, true});
  betas.type = OptionType::numbers;
  betas.length = 2;
  CHECK(check(betas, std::vector<double>{0.9, 0.95}).empty());
  CHECK(check(betas, std::vector<double>{0.9}) == "a list of 2 numbers, each in [0, 1)");
  CHECK(check(betas, std::vector<double>{0.9, 0.9, 0.9}) == "a list of 2 numbers, each in [0, 1)");
  CHECK(check(betas, std::vector<double>{0.9, 1.0}) == "a list of 2 numbers, each in [0, 1)");
  CHECK(check(betas, 0.9) == "a list of 2 numbers, each in [0, 1)");
}

TEST_CASE("option: text and truth of values") {
  CHECK(to_string(OptionValue(true)) == "true");
  CHECK(to_string(OptionValue(std::int64_t{5})) == "5");
  CHECK(to_string(OptionValue(0.95)) == "0.95");
  CHECK(to_string(OptionValue(std::string("jordan"))) == "jordan");
  CHECK(to_string(OptionValue(std::vector<double>{0.9, 0.95})) == "[0.9, 0.95]");
  CHECK(to_string(OptionValue(std::vector<double>{})) == "[]");
  for (const auto& [value, truth] : std::vector<std::pair<OptionValue, bool>>{{true, true},
                                                                              {false, false},
                                                                              {std::int64_t{0}, false},
                                                                              {std::int64_t{2}, true},
                                                                              {0.0, false},
                                                                              {0.9, true},
                                                                              {std::string(), false},
                                                                              {std::string("x"), true}}) {
    CHECK(truthy(value) == truth);
  }
}

TEST_CASE("option: values are found by name and can be changed") {
  OptionValues values = {{"a", 1.0}, {"b", true}};
  CHECK(find_option(values, "c") == nullptr);
  REQUIRE(find_option(values, "b") != nullptr);
  *find_option(values, "a") = 2.0;
  CHECK(std::get<double>(values[0].second) == 2.0);
}
