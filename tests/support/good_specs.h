#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "core/json.h"
#include "rules/manifest.h"
#include "rules/planner.h"
#include "tests/support/test_registry.h"

namespace switchyard::test {

/// Specs without a finding that use much of the grammar, each with a model; for tests that break them.
struct Good {
  std::string name;
  std::string text;
  ParameterTable table;
};

inline Json read_json(const std::string& path) {
  std::ifstream file(std::string(SWITCHYARD_SOURCE_DIR "/") + path);
  std::ostringstream text;
  text << file.rdbuf();
  Diagnostics diagnostics;
  auto json = parse_json(text.str(), path, diagnostics);
  REQUIRE_MESSAGE(json, path);
  return *json;
}

inline std::vector<Good> good_specs() {
  const auto base = read_json("tests/plans/one_mistake.json");
  Diagnostics diagnostics;
  auto model = parse_manifest(dump_json(*base.find("model")), "model.json", diagnostics);
  REQUIRE(model);
  return {{"one_mistake", dump_json(*base.find("spec"), 2), std::move(*model)},
          {"gpt2_muon", dump_json(read_json("examples/specs/gpt2_muon.json"), 2), table(gpt2(2))}};
}

/// A spec read and planned.
struct Result {
  Diagnostics diagnostics;
  std::optional<Plan> plan;
};

inline Result run(const std::string& text, const ParameterTable& table) {
  static const auto plugins = registry();
  Result out;
  const auto spec = parse_spec(text, "spec.json", plugins, out.diagnostics);
  if (spec) out.plan = make_plan(*spec, table, plugins, out.diagnostics);
  return out;
}

/// Calls visit(path, member, object) for every member; a path is the keys above and the key, indices as "*".
inline void each_member(const Json& value, const std::string& path,
                        const std::function<void(const std::string&, const Json::Member&, const Json&)>& visit) {
  for (const auto& item : value.items()) each_member(item, path + "/*", visit);
  for (const auto& member : value.members()) {
    const auto below = path + "/" + member.key;
    visit(below, member, value);
    each_member(member.value, below, visit);
  }
}

}  // namespace switchyard::test
