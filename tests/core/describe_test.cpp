#include "core/describe.h"

#include <doctest/doctest.h>

using namespace switchyard;

namespace described {

enum class Form : std::uint8_t { ema, heavy_ball };

struct Options {
  double momentum = 0.95;
  bool nesterov = true;
  std::int64_t steps = 5;
  Form form = Form::heavy_ball;
  std::array<double, 2> betas = {0.9, 0.95};
};

constexpr auto describe(of<Form>) {
  return choices(choice("ema", Form::ema, "an average"), choice("heavy_ball", Form::heavy_ball, "a sum"));
}

constexpr auto describe(of<Options>) {
  return options(option("momentum", &Options::momentum, half_open(0, 1), "Decay.").schedulable(),
                 option("nesterov", &Options::nesterov, "Look ahead.").arithmetic(),
                 option("steps", &Options::steps, closed(1, 100), "Iterations."),
                 option("form", &Options::form, "Which form."),
                 option("betas", &Options::betas, half_open(0, 1), "Decays.").role(OptionRole::weight_decay));
}

}  // namespace described

TEST_CASE("describe: the table says what the struct says") {
  const auto table = option_table<described::Options>();
  CHECK(table.names() == std::vector<std::string>{"momentum", "nesterov", "steps", "form", "betas"});
  const auto& momentum = *table.find("momentum");
  CHECK(momentum.type == OptionType::number);
  CHECK(std::get<double>(momentum.default_value) == 0.95);
  CHECK(momentum.schedulable);
  CHECK_FALSE(momentum.arithmetic);
  CHECK(momentum.interval.high_open);
  CHECK(table.find("nesterov")->type == OptionType::boolean);
  CHECK(table.find("nesterov")->arithmetic);
  CHECK(table.find("steps")->type == OptionType::integer);
  CHECK(table.find("form")->type == OptionType::choice);
  CHECK(table.find("form")->choices.size() == 2);
  CHECK(std::get<std::string>(table.find("form")->default_value) == "heavy_ball");
  CHECK(table.find("betas")->type == OptionType::numbers);
  CHECK(table.find("betas")->length == 2);
  CHECK(table.with_role(OptionRole::weight_decay) == table.find("betas"));
  CHECK(table.with_role(OptionRole::shape_scale) == nullptr);
  CHECK(table.find("absent") == nullptr);
}

TEST_CASE("describe: every default is legal") {
  for (const auto& info : option_table<described::Options>().options) {
    auto value = info.default_value;
    CHECK(check_option(info, value).empty());
  }
}

TEST_CASE("describe: values become the struct and what is missing keeps its default") {
  const auto table = option_table<described::Options>();
  auto values = table.defaults();
  REQUIRE(values.size() == 5);
  *find_option(values, "momentum") = 0.5;
  *find_option(values, "nesterov") = false;
  *find_option(values, "steps") = std::int64_t{7};
  *find_option(values, "form") = std::string("ema");
  *find_option(values, "betas") = std::vector<double>{0.1, 0.2};
  const auto made = std::static_pointer_cast<const described::Options>(table.make(values));
  CHECK(made->momentum == 0.5);
  CHECK_FALSE(made->nesterov);
  CHECK(made->steps == 7);
  CHECK(made->form == described::Form::ema);
  CHECK(made->betas == std::array<double, 2>{0.1, 0.2});
  const auto plain = std::static_pointer_cast<const described::Options>(table.make({}));
  CHECK(plain->momentum == 0.95);
  CHECK(plain->form == described::Form::heavy_ball);
}

TEST_CASE("describe: members of an aggregate are counted, so a forgotten entry does not compile") {
  static_assert(detail::member_count<described::Options>() == 5);
  struct One {
    bool only = false;
  };
  static_assert(detail::member_count<One>() == 1);
}
