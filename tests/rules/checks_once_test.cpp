// A plugin's check of options that belong together may be expensive: a plan asks once for each different settings.

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <memory>

#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

TEST_CASE("planner: a thousand parameters with three different overrides ask a plugin's check a handful of times") {
  auto calls = std::make_shared<int>(0);
  Registry registry;
  auto descriptor = *test::registry().find("muon");
  descriptor.check = [calls](const OptionValues& values) -> std::string {
    ++*calls;
    return std::get<double>(*find_option(values, "momentum")) == 0.125 ? "an eighth is too little" : "";
  };
  registry.add(descriptor);

  std::vector<ParameterInfo> entries;
  for (int i = 0; i < 1000; ++i) entries.push_back(test::parameter(fmt::format("layers.{}.weight", i), {8, 4}));
  const auto table = test::table(std::move(entries));
  const auto plan = [&](const char* third) {
    const auto text = fmt::format(R"({{"switchyard": 1, "optimizers": {{"m": {{"plugin": "muon", "lr": 0.1}}}},
      "rules": [{{"id": "all", "match": {{"name": "**"}}, "use": "m"}}], "fallback": "error",
      "overrides": [
        {{"id": "a", "match": {{"name": "layers.*1.weight"}}, "set": {{"momentum": 0.5}}}},
        {{"id": "b", "match": {{"name": "layers.*2.weight"}}, "set": {{"momentum": 0.6}}}},
        {{"id": "c", "match": {{"name": "layers.*3.weight"}}, "set": {{"momentum": {}}}}}]}})",
                                  third);
    Diagnostics diagnostics;
    const auto spec = parse_spec(text, "s.json", registry, diagnostics);
    REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
    const bool planned = make_plan(*spec, table, registry, diagnostics).has_value();
    CHECK(planned == !diagnostics.has_errors());
    return render(diagnostics, {{"s.json", text}});
  };
  CHECK(plan("0.7") == "");
  CHECK(*calls >= 3);
  CHECK(*calls <= 5);
  // What is remembered is the answer, not that there was one.
  CHECK(plan("0.125").find("an eighth is too little") != std::string::npos);
  CHECK(plan("0.125").find("an eighth is too little") != std::string::npos);
  CHECK(*calls <= 6);
}
