#include "rules/plan_html.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "core/json.h"
#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

const std::string hostile = "a</script><b onload=x>&\"'\\\xe2\x80\xa8";

std::string page_of(std::vector<ParameterInfo> entries, const std::string& id = "all") {
  const auto registry = test::registry();
  auto rule = Json::object();
  rule.set("id", id);
  const auto text =
      R"({"switchyard": 1, "optimizers": {"rest": {"plugin": "adamw", "lr": 0.001}, "m": {"plugin": "muon", "lr": 0.1}},
      "rules": [{"id": "matrices", "match": {"ndim": 2}, "use": "m"}, {"match": {"name": "**"}, "use": "rest", )" +
      dump_json(rule).substr(1) + R"(], "fallback": "error"})";
  Sources sources = {{"s.json", text}};
  Diagnostics diagnostics;
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, sources));
  const auto table = test::table(std::move(entries));
  const auto plan = make_plan(*spec, table, registry, diagnostics);
  REQUIRE_MESSAGE(plan, render(diagnostics, sources));
  PlanTextOptions options;
  options.spec_file = "s.json";
  options.model_file = "m</script>.json";
  return plan_html(*plan, registry, sources, losses_of(*spec, table, *plan), options);
}

/// The data of a page, as a browser would read it.
Json data_of(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"plan\">";
  const auto begin = page.find(open) + open.size();
  Diagnostics diagnostics;
  auto json = parse_json(page.substr(begin, page.find("</script>", begin) - begin), "page", diagnostics);
  REQUIRE_MESSAGE(json, render(diagnostics, {}));
  return std::move(*json);
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("html: the template is compiled in as it is, and has one place for the plan") {
  std::ifstream file(SWITCHYARD_SOURCE_DIR "/rules/plan_html_template.html", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  CHECK(text.str() == plan_html_template);
  CHECK(count(plan_html_template, "{{plan}}") == 1);
}

TEST_CASE("html: the page asks for nothing from outside and forbids it") {
  const std::string page = plan_html_template;
  CHECK(page.find("default-src 'none'") != std::string::npos);
  for (const char* outside : {"src=", "href=", "url(", "@import", "https:", "fetch(", "import(", "innerHTML",
                              "insertAdjacentHTML", "document.write", "eval("}) {
    CHECK_MESSAGE(page.find(outside) == std::string::npos, outside);
  }
  // The one address is the name of the SVG name space.
  CHECK(count(page, "http:") == 1);
  CHECK(page.find("prefers-color-scheme: dark") != std::string::npos);
}

TEST_CASE("html: names cannot leave the data, and read back unchanged") {
  auto entries = test::gpt2(1, 8);
  entries.push_back(test::parameter(hostile, {4}, "<i>"));
  entries.back().names.push_back("{{plan}}");
  const auto page = page_of(entries, hostile);
  const std::string empty = plan_html_template;
  for (const char* tag : {"</script>", "<b ", "<script", "<!--"}) CHECK(count(page, tag) == count(empty, tag));
  const auto data = data_of(page);
  const auto& last = data.find("parameters")->items().back();
  CHECK(last.items()[0].as_string() == hostile);
  CHECK(last.items()[1].items()[0].as_string() == "{{plan}}");
  CHECK(data.find("rules")->items()[1].find("id")->as_string() == hostile);
  CHECK(data.find("model")->as_string() == "m</script>.json");
  CHECK(script_safe("\"<!-- & \xe2\x80\xa8 \xe2\x80\xa9 \xe2\x82\xac\"") ==
        "\"\\u003c!-- \\u0026 \\u2028 \\u2029 \xe2\x82\xac\"");
}

TEST_CASE("html: the data are the plan's") {
  const auto entries = test::gpt2(2, 64);
  const auto data = data_of(page_of(entries));
  CHECK(data.find("parameters")->size() == entries.size());
  std::int64_t elements = 0;
  for (const auto& info : entries) elements += info.numel();
  CHECK(data.find("elements")->as_int() == elements);
  std::int64_t won = 0;
  for (const auto& rule : data.find("rules")->items()) {
    won += rule.find("won")->as_int();
    CHECK(rule.find("won")->as_int() <= rule.find("matched")->as_int());
  }
  CHECK(won == static_cast<std::int64_t>(entries.size()));
  // The second rule matches the matrices that the first one takes.
  const auto& all = data.find("rules")->items()[1];
  CHECK(all.find("matched")->as_int() - all.find("won")->as_int() == 10);
  REQUIRE(all.find("lost") != nullptr);
  REQUIRE(all.find("lost")->size() == 1);
  CHECK(all.find("lost")->items()[0].items()[0].as_int() == 0);
  CHECK(all.find("lost")->items()[0].items()[1].as_int() == 10);
  CHECK(data.find("rules")->items()[0].find("lost") == nullptr);
  for (const auto& row : data.find("parameters")->items()) {
    REQUIRE(row.size() == 11);
    CHECK(row.items()[5].as_int() < static_cast<std::int64_t>(data.find("rules")->size()));
    CHECK(row.items()[6].as_int() < static_cast<std::int64_t>(data.find("optimizers")->size()));
  }
}

TEST_CASE("html: frozen parameters are listed under freeze") {
  auto entries = test::gpt2(1, 8);
  entries[0].requires_grad = false;
  const auto data = data_of(page_of(entries));
  const auto optimizer = static_cast<std::size_t>(data.find("parameters")->items()[0].items()[6].as_int());
  CHECK(data.find("optimizers")->items()[optimizer].find("id")->as_string() == "freeze");
  CHECK(data.find("optimizers")->items()[optimizer].find("plugin")->as_string().empty());
}

TEST_CASE("html: a model with as many tensors as a 70B one stays below 2 MB") {
  CHECK(page_of(test::gpt2(80, 64)).size() < (std::size_t{2} << 20));
}
