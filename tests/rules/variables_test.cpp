// What may be written as a variable, and that nothing is let through because it looks like one.
#include <doctest/doctest.h>

#include "tests/support/good_specs.h"

using namespace switchyard;
using test::run;

namespace {

/// Every value of a document but free text, with its path.
std::vector<std::pair<std::string, Json>> values(const Json& root) {
  std::vector<std::pair<std::string, Json>> out = {{"", root}};
  test::each_member(root, "", [&](const std::string& path, const Json::Member& member, const Json&) {
    if (member.key == "note" || path == "/description" || path == "/$schema") return;
    out.emplace_back(path, member.value);
    for (const auto& item : member.value.items()) out.emplace_back(path + "/*", item);
  });
  return out;
}

bool is_plain(const Json& json) {
  return json.is_number() || json.is(Json::Kind::boolean) || json.is(Json::Kind::string);
}

}  // namespace

TEST_CASE("variables: an unknown one in the place of any value is an error at that place") {
  std::size_t tried = 0;
  for (const auto& good : test::good_specs()) {
    Diagnostics none;
    const auto json = parse_json(good.text, "spec.json", none);
    REQUIRE(json);
    for (const auto& [path, value] : values(*json)) {
      const auto span = value.span();
      const auto text = std::string(good.text).replace(span.offset, span.length, "\"$missing\"");
      const auto result = run(text, good.table);
      std::size_t here = 0;
      for (const auto& item : result.diagnostics.items()) here += item.place.span.offset == span.offset ? 1 : 0;
      CAPTURE(good.name);
      CAPTURE(path);
      CAPTURE(render(result.diagnostics, {{"spec.json", text}}));
      CHECK(result.diagnostics.has_errors());
      CHECK(here == 1);
      CHECK_FALSE(result.plan);
      ++tried;
    }
  }
  MESSAGE(tried << " values");
  CHECK(tried > 150);
}

TEST_CASE("variables: one in the place of a value that it has changes nothing") {
  std::size_t tried = 0;
  for (const auto& good : test::good_specs()) {
    const auto plain = run(good.text, good.table);
    REQUIRE(plain.plan);
    Diagnostics none;
    const auto json = parse_json(good.text, "spec.json", none);
    REQUIRE(json);
    const auto open = good.text.find('{') + 1;
    for (const auto& [path, value] : values(*json)) {
      const auto& items = value.items();
      const bool list = !items.empty() && std::all_of(items.begin(), items.end(), is_plain);
      if (path == "/switchyard" || path.rfind("/vars", 0) == 0 || path.rfind("/extends", 0) == 0) continue;
      if (!is_plain(value) && !list) continue;
      const auto span = value.span();
      const auto written = good.text.substr(span.offset, span.length);
      auto text = std::string(good.text).replace(span.offset, span.length, "\"$the_value\"");
      const bool has_vars = json->find("vars") != nullptr;
      REQUIRE_FALSE(has_vars);
      text.insert(open, "\"vars\": {\"the_value\": " + written + "},");
      const auto result = run(text, good.table);
      CAPTURE(good.name);
      CAPTURE(path);
      CAPTURE(render(result.diagnostics, {{"spec.json", text}}));
      REQUIRE(result.plan);
      CHECK(result.plan->state_hash == plain.plan->state_hash);
      CHECK(result.plan->plan_hash == plain.plan->plan_hash);
      ++tried;
    }
  }
  MESSAGE(tried << " values");
  CHECK(tried > 100);
}
