#include "core/plan_from_groups.h"

#include <doctest/doctest.h>

#include "tests/support/test_registry.h"

using namespace switchyard;

// Covers P6.
TEST_CASE("groups: one tensor in two groups is an error that names both, under any of its names") {
  auto tied = test::parameter("w", {4});
  tied.names.push_back("v");
  const auto table = test::table({tied, test::parameter("x", {4})});
  const auto plan = [&](const std::vector<std::string>& second) {
    Diagnostics diagnostics;
    plan_from_groups({{.id = "a", .plugin = "adamw", .parameters = {"w", "x"}},
                      {.id = "b", .plugin = "adamw", .parameters = second}},
                     0.1, table, test::registry(), diagnostics);
    return diagnostics;
  };
  CHECK_FALSE(plan({}).has_errors());
  const auto found = plan({"v"});
  REQUIRE(found.count(Severity::error) == 1);
  const auto& message = found.items()[0].message;
  for (const auto* part : {"`w`", "`a`", "`b`"}) CHECK(message.find(part) != std::string::npos);
}
