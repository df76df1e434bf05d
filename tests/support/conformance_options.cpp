#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "tests/kernels/values.h"
#include "tests/support/conformance.h"

/// What the option table says is what happens.
namespace switchyard::conformance {

bool fits(const OptimizerDescriptor& descriptor, const OptionValues& values) {
  return !descriptor.check || descriptor.check(values).empty();
}

OptionValues with_option(OptionValues values, const std::string& name, const OptionValue& value) {
  *find_option(values, name) = value;
  return values;
}

OptionValues lively_options(const OptimizerDescriptor& descriptor) {
  auto values = descriptor.table.defaults();
  for (const auto& option : descriptor.table.options) {
    const auto* number = std::get_if<double>(&option.default_value);
    if (number == nullptr || *number != 0) continue;
    const double lively = option.role == OptionRole::weight_decay ? 0.1
                          : std::isfinite(option.interval.high)   ? 0.5 * option.interval.high
                                                                  : 0.5;
    auto changed = with_option(values, option.name, lively);
    if (fits(descriptor, changed)) values = std::move(changed);
  }
  return values;
}

std::vector<OptionValue> other_values(const OptionInfo& option, const OptionValue& now) {
  std::vector<OptionValue> out;
  const auto add = [&](OptionValue value) {
    if (value != now && check_option(option, value).empty()) out.push_back(std::move(value));
  };
  const auto numbers_near = [&](double value) {
    const auto low = std::isfinite(option.interval.low) ? option.interval.low : value - 1;
    const auto high = std::isfinite(option.interval.high) ? option.interval.high : std::max(2 * value, low + 1);
    return std::vector<double>{low + 0.5 * (high - low), low + 0.25 * (high - low), 2 * value, low};
  };
  switch (option.type) {
    case OptionType::boolean:
      add(!std::get<bool>(now));
      break;
    case OptionType::choice:
      for (const auto& choice : option.choices) add(choice.name);
      break;
    case OptionType::integer:
      for (const std::int64_t step : {-1, 1, 7}) add(std::get<std::int64_t>(now) + step);
      break;
    case OptionType::number:
      for (const auto value : numbers_near(std::get<double>(now))) add(value);
      break;
    case OptionType::numbers: {
      const auto& list = std::get<std::vector<double>>(now);
      for (std::size_t i = 0; i < list.size(); ++i) {
        for (const auto value : numbers_near(list[i])) {
          auto changed = list;
          changed[i] = value;
          add(changed);
        }
      }
      break;
    }
  }
  return out;
}

namespace {

/// Values that the table forbids.
std::vector<OptionValue> bad_values(const OptionInfo& option) {
  std::vector<OptionValue> out = {std::string("no such thing")};
  if (option.type != OptionType::boolean) out.emplace_back(true);
  const auto wrap = [&](double value) -> OptionValue {
    return option.type == OptionType::numbers ? OptionValue(std::vector<double>(option.length, value))
                                              : OptionValue(value);
  };
  if (option.type == OptionType::number || option.type == OptionType::numbers) {
    for (const double value : {std::nan(""), double(INFINITY), -double(INFINITY)}) out.push_back(wrap(value));
    if (std::isfinite(option.interval.low))
      out.push_back(wrap(option.interval.low_open ? option.interval.low : option.interval.low - 1e-3));
    if (std::isfinite(option.interval.high))
      out.push_back(wrap(option.interval.high_open ? option.interval.high : option.interval.high + 1e-3));
  }
  if (option.type == OptionType::integer) {
    out.emplace_back(2.5);
    if (std::isfinite(option.interval.low)) out.emplace_back(static_cast<std::int64_t>(option.interval.low) - 1);
    if (std::isfinite(option.interval.high)) out.emplace_back(static_cast<std::int64_t>(option.interval.high) + 1);
  }
  if (option.type == OptionType::numbers) {
    out.emplace_back(std::vector<double>(option.length + 1, 0.5));
    out.emplace_back(std::vector<double>{});
  }
  return out;
}

Setup tiny(const Subject& subject) {
  Setup setup;
  setup.seed = 200;
  setup.items = {{"wide", {9, 13}, at::kDouble}, {"tall", {13, 9}, at::kDouble}};
  setup.options = subject.descriptor.table.defaults();
  return setup;
}

std::string refusal(const Subject& subject, const Setup& setup) {
  try {
    const auto tensors = tensors_of(setup);
    plan_of(subject, setup, tensors);
  } catch (const SpecError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

void bad_options_are_refused(const Subject& subject) {
  const auto setup = tiny(subject);
  CHECK(refusal(subject, setup) == "");
  for (const auto& option : subject.descriptor.table.options) {
    for (const auto& value : bad_values(option)) {
      auto bad = setup;
      bad.options = {{option.name, value}};
      INFO("plugin ", subject.descriptor.name, ", ", option.name, " = ", to_string(value));
      CHECK(refusal(subject, bad).find(option.name) != std::string::npos);
    }
  }
  auto unknown = setup;
  unknown.options = {{"no_such_option", 1.0}};
  CHECK(refusal(subject, unknown).find("no_such_option") != std::string::npos);
}

void unfit_parameters_are_refused(const Subject& subject) {
  INFO("plugin ", subject.descriptor.name);
  for (const auto dtype : {at::kLong, at::kBool, at::kComplexFloat}) {
    NamedTensor named;
    named.name = "odd";
    named.tensor = at::zeros({3, 4}, at::TensorOptions().dtype(dtype));
    const std::vector<ParameterGroup> groups = {{.id = "g", .plugin = subject.descriptor.name, .parameters = {"odd"}}};
    if (dtype == at::kComplexFloat) named.tensor.set_requires_grad(true);
    // Integers cannot require gradients in torch; they are frozen by nature and refused nowhere.
    if (!named.tensor.requires_grad()) continue;
    CHECK_THROWS_AS(ComposedOptimizer(groups, 0.1, {named}, subject.registry), SpecError);
  }
  if (!subject.matrix()) return;
  for (const auto& shape :
       {std::vector<std::int64_t>{}, std::vector<std::int64_t>{5}, std::vector<std::int64_t>{2, 3, 4}}) {
    NamedTensor named;
    named.name = "shapeless";
    named.tensor = at::zeros(shape).set_requires_grad(true);
    const std::vector<ParameterGroup> groups = {
        {.id = "g", .plugin = subject.descriptor.name, .parameters = {"shapeless"}}};
    std::string said;
    try {
      ComposedOptimizer(groups, 0.1, {named}, subject.registry);
    } catch (const SpecError& error) {
      said = error.what();
    }
    CHECK(said.find("shapeless") != std::string::npos);
  }
}

void tiny_lr_moves_nothing(const Subject& subject) {
  Setup setup;
  setup.seed = 201;
  setup.items = small_items(subject);
  setup.lr = 1e-28;
  const auto after = run(subject, setup);
  INFO("plugin ", subject.descriptor.name);
  CHECK(first_difference(after.params, start_of(setup)) == "");
}

namespace {

/// A configuration that an option is tried in.
struct Base {
  OptionValues options;
  std::vector<std::pair<std::string, Schedule>> schedules{};
};

/// An option may matter only beside others (nesterov without momentum is nothing; how an average starts shows only
/// while its rate changes). So each is tried from the defaults, from lively options, from these with one flag, choice
/// or number changed, and with a schedule on each option that takes one.
std::vector<Base> bases_of(const OptimizerDescriptor& descriptor) {
  const auto plain = descriptor.table.defaults();
  const auto lively = lively_options(descriptor);
  std::vector<Base> out = {{plain}, {lively}};
  const auto add = [&](const OptionValues& options) {
    if (fits(descriptor, options)) out.push_back({options});
  };
  for (const auto& option : descriptor.table.options) {
    if (option.arithmetic) continue;
    if (option.type == OptionType::boolean || option.type == OptionType::choice) {
      const auto other = other_values(option, option.default_value).front();
      add(with_option(lively, option.name, other));
      add(with_option(plain, option.name, other));
    } else {
      add(with_option(plain, option.name, *find_option(lively, option.name)));
    }
    if (option.schedulable && option.role == OptionRole::plain) {
      const auto other = other_values(option, option.default_value).front();
      Schedule schedule;
      schedule.kind = Schedule::Kind::piecewise;
      schedule.points = {{0, std::get<double>(option.default_value)}, {2, std::get<double>(other)}};
      out.push_back({lively, {{option.name, schedule}}});
    }
  }
  return out;
}

}  // namespace

namespace {

/// Gradients over a run. An effect may need gradients that shrink (the largest so far differs from the newest), that
/// keep their size (averages of g g^T), or more steps than an option's period; the cheap ones come first.
struct Programme {
  int steps;
  double (*scale)(int step);
};
constexpr Programme programmes[] = {{3, [](int step) { return std::pow(10.0, 1 - step); }},
                                    {3, [](int) { return 1.0; }},
                                    {8, [](int step) { return step % 2 == 0 ? 1.0 : 0.1; }},
                                    {25, [](int) { return 1.0; }}};

/// How far an option can move a trajectory, tried until it moves it enough.
class Effects {
 public:
  explicit Effects(const Subject& subject) : subject_(subject), bases_(bases_of(subject.descriptor)) {}

  /// `target`: the value to try; an empty text for any other.
  double of(const OptionInfo& option, const OptionValue& target, bool each) {
    double largest = 0;
    for (std::size_t p = 0; p < std::size(programmes); ++p) {
      for (std::size_t b = 0; b < bases_.size(); ++b) {
        const auto& base = bases_[b];
        if (!base.schedules.empty() && base.schedules.front().first == option.name) continue;
        const auto now = *find_option(base.options, option.name);
        for (const auto& value : each ? std::vector<OptionValue>{target} : other_values(option, now)) {
          const auto changed = with_option(base.options, option.name, value);
          if (value == now || !fits(subject_.descriptor, changed)) continue;
          if (known_.count({p, b}) == 0) known_.emplace(std::pair(p, b), with(p, base, base.options));
          auto setup = setup_of(p);
          largest = std::max(
              largest, relative_movement(with(p, base, changed).params, known_.at({p, b}).params, start_of(setup)));
          if (largest >= 1e-5) return largest;
        }
      }
    }
    return largest;
  }

 private:
  Setup setup_of(std::size_t p) const {
    auto setup = tiny(subject_);
    setup.steps = programmes[p].steps;
    setup.gradient_scale = programmes[p].scale;
    return setup;
  }
  Outcome with(std::size_t p, const Base& base, const OptionValues& options) const {
    auto setup = setup_of(p);
    setup.options = options;
    setup.schedules = base.schedules;
    return run(subject_, setup);
  }

  const Subject& subject_;
  std::vector<Base> bases_;
  std::map<std::pair<std::size_t, std::size_t>, Outcome> known_;
};

}  // namespace

void every_option_has_an_effect(const Subject& subject) {
  Effects effects(subject);
  for (const auto& option : subject.descriptor.table.options) {
    if (option.arithmetic) continue;
    // Every choice must differ from the default's; of numbers one move is enough.
    const bool each = option.type == OptionType::choice;
    const auto targets = each ? other_values(option, option.default_value) : std::vector<OptionValue>{std::string()};
    for (const auto& target : targets) {
      const auto largest = effects.of(option, target, each);
      INFO("plugin ", subject.descriptor.name, ", option ", option.name,
           each ? " = " + to_string(target) : std::string(),
           ", tried over 3 to 25 steps with shrinking, constant and alternating gradients");
      CHECK(largest >= 1e-5);  // reruns are equal to the bit in float64, so this is far above ten times the tolerance
    }
  }
}

void weight_decay_follows_its_formula(const Subject& subject) {
  const auto* decay = subject.descriptor.table.with_role(OptionRole::weight_decay);
  // A plugin that sees the parameter may mix decay and update in any way.
  if (decay == nullptr || subject.descriptor.traits.needs_param) return;
  const auto* mode = subject.descriptor.table.with_role(OptionRole::decay_mode);
  Schedule half;
  half.kind = Schedule::Kind::piecewise;
  half.points = {{0, 0.5}, {1, 1}};  // one step is taken, at a half
  auto setup = tiny(subject);
  setup.steps = 1;
  setup.schedules = {{"lr", half}};
  setup.options = with_option(setup.options, decay->name, 0.0);
  const auto start = start_of(setup);
  const auto without = run(subject, setup);
  for (const auto* name : {"decoupled", "independent"}) {
    if (mode == nullptr && std::string(name) == "independent") continue;
    auto with = setup;
    with.options = with_option(with.options, decay->name, 0.2);
    if (mode != nullptr) with.options = with_option(with.options, mode->name, std::string(name));
    const auto after = run(subject, with);
    const double factor = std::string(name) == "independent" ? 0.5 * 0.2 : 0.5 * setup.lr * 0.2;
    for (const auto& item : setup.items) {
      const auto expected = start.at(item.name) * factor;
      const auto given = without.params.at(item.name) - after.params.at(item.name);
      INFO("plugin ", subject.descriptor.name, ", ", name, ", ", item.name);
      CHECK((given - expected).abs().max().item<double>() <= 1e-14);  // a few roundings of numbers below 4
    }
  }
}

void clipping_changes_the_update(const Subject& subject) {
  if (subject.descriptor.traits.scale_free) return;
  auto setup = tiny(subject);
  setup.steps = 2;
  setup.gradient_scale = [](int step) { return step == 1 ? 1.0 : 4.0; };
  const auto start = start_of(setup);
  const auto plain = run(subject, setup);
  setup.clip = 0.5;
  INFO("plugin ", subject.descriptor.name);
  CHECK(relative_movement(run(subject, setup).params, plain.params, start) >= 1e-5);
}

}  // namespace switchyard::conformance
