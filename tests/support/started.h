#pragma once

#include <doctest/doctest.h>

#include <algorithm>

#include <string>
#include <vector>

#include "rules/init.h"
#include "rules/lint.h"
#include "rules/planner.h"
#include "rules/spec.h"
#include "tests/support/architectures.h"

namespace switchyard::test {

/// A model with its starter spec and the plan that this makes.
struct Started {
  ParameterTable table;
  std::string text;
  Plan plan;

  explicit Started(std::vector<ParameterInfo> list, const HeadCounts& heads = {})
      : table(test::table(std::move(list))) {
    const auto registry = test::registry();
    InitOptions options;
    options.name = "starter";
    options.heads = heads;
    text = init_spec(table, registry, options);
    CAPTURE(text);
    Diagnostics diagnostics;
    const auto spec = parse_spec(text, "s.json", registry, diagnostics);
    REQUIRE(spec);
    auto made = make_plan(*spec, table, registry, diagnostics);
    REQUIRE_MESSAGE(made, render(diagnostics, {{"s.json", text}}));
    CHECK(diagnostics.count(Severity::warning) == 0);
    plan = std::move(*made);
    const auto lints = lint(*spec, table, plan, registry);
    CHECK_MESSAGE(lints.count(Severity::warning) == 0, render(lints, {{"s.json", text}}));
    for (const auto& parameter : plan.parameters)
      CHECK((parameter.rule == "fallback") == !parameter.info.requires_grad);
  }

  const PlannedParameter& at(const std::string& name) const {
    const auto* found = plan.find(name);
    REQUIRE_MESSAGE(found != nullptr, name);
    return *found;
  }
  void element(const std::vector<std::string>& names) const {
    for (const auto& name : names) {
      CAPTURE(text);
      CHECK_MESSAGE(at(name).plugin == "adamw", name);
    }
  }
  /// A tensor on the matrix optimizer whose first part has this shape.
  void matrix(const std::string& name, std::int64_t out, std::int64_t in, std::size_t parts = 1) const {
    CAPTURE(name);
    CAPTURE(text);
    const auto& found = at(name);
    REQUIRE(found.plugin == "muon");
    REQUIRE(found.parts.size() == parts);
    CHECK(found.parts[0].out == out);
    CHECK(found.parts[0].in == in);
  }
  bool says(const std::string& what) const { return text.find(what) != std::string::npos; }
};

/// Routes and axes must not depend on module types, nor on the order of a file. `except`: names of tensors whose kind
/// nothing but a module type shows.
inline void check_without_types(const std::vector<ParameterInfo>& list, const std::vector<std::string>& except = {}) {
  const Started typed(list);
  const Started bare(untyped(list));
  const Started by_name(sorted(untyped(list)));
  for (const auto& parameter : typed.plan.parameters) {
    const auto& name = parameter.info.name();
    if (std::find(except.begin(), except.end(), name) != except.end()) continue;
    CAPTURE(name);
    CHECK(bare.at(name).plugin == parameter.plugin);
    CHECK(by_name.at(name).plugin == parameter.plugin);
    CHECK(bare.at(name).view == parameter.view);
  }
}

}  // namespace switchyard::test
