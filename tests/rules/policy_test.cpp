#include "rules/policy.h"

#include <doctest/doctest.h>

#include "rules/codes.h"
#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

TEST_CASE("policy: acts on warnings and notes of its codes and never on errors") {
  Diagnostics found;
  found.error("SWY-2002", "an error");
  found.warning("SWY-2002", "a warning").help = "kept";
  found.note("SWY-2006", "a note");
  found.warning("SWY-2004", "another");
  const Policy policy = {{"SWY-2002", Severity::note}, {"SWY-2006", std::nullopt}};
  const auto out = under_policy(policy, found);
  REQUIRE(out.items().size() == 3);
  CHECK(out.items()[0].severity == Severity::error);
  CHECK(out.items()[1].severity == Severity::note);
  CHECK(out.items()[1].help == "kept");
  CHECK(out.items()[2].severity == Severity::warning);
}

TEST_CASE("policy: never changes a hash") {
  const auto hashes = [](const std::string& policy) {
    const auto text = R"({"switchyard": 1, "optimizers": {"rest": {"plugin": "adamw", "lr": 0.1}},
      "rules": [{"id": "a", "match": {"name": "**"}, "use": "rest"},
                {"id": "b", "match": {"ndim": 1}, "use": "rest"}], "fallback": "error")" +
                      policy + "}";
    Diagnostics diagnostics;
    const auto registry = test::registry();
    const auto spec = parse_spec(text, "s.json", registry, diagnostics);
    REQUIRE(spec);
    const auto plan = make_plan(*spec, test::table(test::gpt2()), registry, diagnostics);
    REQUIRE(plan);
    return plan->state_hash + plan->plan_hash + std::to_string(diagnostics.items().size());
  };
  const auto plain = hashes("");
  CHECK(hashes(R"(, "policy": {"SWY-2002": "note"})") == plain);
  CHECK(hashes(R"(, "policy": {"SWY-2002": "off"})") != plain);  // one finding fewer, the same hashes
  CHECK(hashes(R"(, "policy": {"SWY-2002": "off"})").substr(0, 128) == plain.substr(0, 128));
}

TEST_CASE("policy: every code that it may name is one of a warning or a note") {
  CHECK(policy_codes().size() >= 8);
  for (const auto& code : policy_codes()) CHECK_FALSE(meaning_of(code).empty());
}
