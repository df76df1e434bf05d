#include <doctest/doctest.h>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

namespace {

const std::string everything = R"({"switchyard": 1,
 "optimizers": {"matrix": {"plugin": "muon", "lr": 0.02}, "element": {"plugin": "adamw", "lr": 0.001}},
 "rules": [{"id": "vectors", "match": {"ndim": "<=1"}, "use": "element"},
  {"id": "everything", "match": {"name": "**"}, "use": "matrix"}],
 "fallback": "error"})";

const std::string named = R"({"switchyard": 1,
 "optimizers": {"matrix": {"plugin": "muon", "lr": 0.02}, "element": {"plugin": "adamw", "lr": 0.001}},
 "rules": [{"id": "vectors", "match": {"ndim": "<=1"}, "use": "element"},
  {"id": "qkv", "match": {"name": "**.c_attn.weight"}, "use": "matrix"},
  {"id": "maps", "match": {"name": "**"}, "use": "matrix"},
  {"id": "dead", "match": {"name": "**.c_fc.weight"}, "use": "matrix"}],
 "fallback": "error"})";

}  // namespace

TEST_CASE("lint: warnings have a place and a replacement, --max-warnings decides the exit status") {
  const Folder folder;
  const auto gpt = folder.write("gpt2.json", manifest_of("gpt2-124m", gpt2()));
  const auto spec = folder.write("all.json", everything);
  const auto shown = run({"lint", spec, "--model", gpt});
  CHECK(shown.exit == 0);
  CHECK(shown.complains("warning[SWY-3100]"));
  CHECK(shown.complains("warning[SWY-3101]"));
  CHECK(shown.complains(spec + ":4:"));
  CHECK(shown.complains("\"name\": \"transformer.h.*.attn.c_attn.weight\""));
  CHECK_FALSE(shown.says("without --model"));
  const auto json = run({"lint", spec, "--model", gpt, "--max-warnings", "1", "--format", "json"});
  CHECK(json.exit == 1);
  CHECK(json.json().at("warnings") == 3);
  CHECK(json.json().at("not_run").empty());
  CHECK(run({"lint", spec, "--model", gpt, "--max-warnings", "3"}).exit == 0);
  CHECK(run({"lint", spec, "--model", gpt, "--max-warnings", "-1"}).exit == 2);
}

TEST_CASE("lint: without a model names are looked at, and what was not run is said") {
  const Folder folder;
  const auto spec = folder.write("named.json", named);
  const auto text = run({"lint", spec});
  CHECK(text.exit == 0);
  CHECK(text.complains("warning[SWY-3101]"));
  CHECK(text.complains(spec + ":4:"));
  CHECK(text.complains("warning[SWY-2002]"));
  CHECK(text.complains("rule `dead` can win nothing"));
  CHECK(text.says("2 warnings"));
  CHECK(text.says("not run without --model"));
  CHECK(text.says("SWY-3105  a stem convolution on a matrix optimizer"));
  const auto json = run({"lint", spec, "--max-warnings", "1", "--format", "json"});
  CHECK(json.exit == 1);
  CHECK(json.json().at("warnings") == 2);
  CHECK(json.json().at("not_run").size() > 5);
  CHECK(json.json().at("by_name_only").size() > 5);
}

TEST_CASE("lint: without a model mistakes of the spec are errors, its policy holds") {
  const Folder folder;
  const auto broken = folder.write("broken.json", "{\"switchyard\": 1}");
  CHECK(run({"lint", broken}).exit == 1);
  CHECK(run({"lint", folder / "absent.json"}).exit == 2);
  auto text = named;
  const std::string key = "\"fallback\"";
  text.insert(text.find(key), R"("policy": {"SWY-3101": "error", "SWY-2002": "off"}, )");
  const auto strict = run({"lint", folder.write("strict.json", text)});
  CHECK(strict.exit == 1);
  CHECK(strict.complains("error[SWY-3101]"));
  CHECK_FALSE(strict.complains("SWY-2002"));
}

TEST_CASE("lint: names of one tied tensor that disagree are a finding") {
  const Folder folder;
  const auto gpt = folder.write("gpt2.json", manifest_of("gpt2-124m", gpt2()));
  const auto spec = folder.write("tie.json", R"({"switchyard": 1,
 "optimizers": {"table": {"plugin": "adamw", "lr": 0.02}, "element": {"plugin": "adamw", "lr": 0.001}},
 "rules": [{"id": "table", "match": {"name": "transformer.wte.weight"}, "use": "table"},
  {"id": "rest", "match": {"name": "**"}, "use": "element"}],
 "fallback": "error"})");
  const auto result = run({"lint", spec, "--model", gpt, "--max-warnings", "0"});
  CHECK(result.exit == 1);
  CHECK(result.complains("warning[SWY-2004]"));
  CHECK(result.complains("lm_head.weight"));
}
