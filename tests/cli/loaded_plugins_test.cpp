// Plugins that a file describes: specs are checked and planned with them by every verb that reads specs.

#include <doctest/doctest.h>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

namespace {

const char* soap = R"({"switchyard_plugins": 1, "plugins": [
  {"name": "soap", "doc": "Adam in the eigenbasis of Shampoo.", "version": "0.1", "traits": {"unit": "matrix"},
   "slots": [{"name": "left", "shape": "out_by_out"}, {"name": "exp_avg", "shape": "block_matrix"}],
   "options": [{"name": "precondition_every", "type": "integer", "at_least": 1, "default": 10, "doc": "Steps between."}],
   "defaults": {"switchyard": 1, "optimizers": {"soap": {"plugin": "soap", "lr": 0.003}}, "fallback": "rest",
                "rules": [{"id": "soap-matrices", "match": {"name": "transformer.h.**", "ndim": 2}, "use": "soap", "note": "Maps."}]}}]})";
const char* routes = R"({"switchyard": 1, "extends": "plugin:soap/defaults",
  "optimizers": {"soap": {"options": {"precondition_every": 5}}, "rest": {"plugin": "adamw", "lr": 0.001}}})";

}  // namespace

TEST_CASE("loaded plugins: every verb that checks or plans specs takes them, and refuses the spec without them") {
  const Folder folder;
  const auto plugins = folder.write("soap.json", soap);
  const auto spec = folder.write("spec.json", routes);
  const auto model = folder.write("gpt2.json", manifest_of("gpt2", gpt2()));
  CHECK(run({"validate", "--plugins", plugins, spec}).exit == 0);
  CHECK(run({"validate", spec}).complains("there is no plugin `soap`"));
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"plan", spec, "--model", model},
           {"explain", spec, "--model", model, "--param", "transformer.h.3.mlp.c_fc.weight"},
           {"explain", spec, "--model", model, "--rule", "soap-matrices"},
           {"diff", spec, spec, "--model", model},
           {"lint", spec, "--model", model}}) {
    CAPTURE(arguments[0]);
    CHECK(run(arguments).exit == 1);
    auto with = arguments;
    with.insert(with.end(), {"--plugins", plugins});
    const auto result = run(with);
    CHECK_MESSAGE(result.exit == 0, result.err);
  }
  const auto plan = run({"plan", spec, "--model", model, "--plugins", plugins, "--format", "json"}).json();
  for (const auto& parameter : plan.at("parameters")) {
    if (parameter.at("name") != "transformer.h.0.mlp.c_fc.weight") continue;
    CHECK(parameter.at("plugin") == "soap");
    CHECK(parameter.at("settings").at("precondition_every") == 5);
    CHECK(parameter.at("blocks").at(0).at("out") == 3072);
  }
  const auto starter = run({"init", "--model", model, "--plugins", plugins});
  CHECK(starter.exit == 0);
  for (const auto* verb : {"validate", "plan", "explain", "diff", "lint", "init", "schema"})
    CHECK_MESSAGE(run({verb, "--help"}).says("not run"), verb);
}

TEST_CASE("loaded plugins: list and show say where they come from, and a listing can be loaded again") {
  const Folder folder;
  const auto plugins = folder.write("soap.json", soap);
  const auto list = run({"plugins", "list", "--plugins", plugins});
  CHECK(list.says("loaded from " + plugins + ": specs are checked and planned with it, but not run"));
  const auto page = run({"plugins", "show", "soap", "--plugins", plugins});
  CHECK(page.says("loaded from " + plugins));
  CHECK(page.says("precondition_every"));
  CHECK(page.says("soap-matrices"));
  CHECK_FALSE(run({"plugins", "show", "muon", "--plugins", plugins}).says("loaded from"));
  const auto json = run({"plugins", "list", "--plugins", plugins, "--format", "json"});
  CHECK(json.json().at("plugins").size() ==
        run({"plugins", "list", "--format", "json"}).json().at("plugins").size() + 1);
  const auto again = folder.write("again.json", json.out);  // holds the built-in ones as well: the same, so no conflict
  CHECK(run({"validate", "--plugins", again, folder.write("spec.json", routes)}).exit == 0);
  const auto twice = run({"plugins", "list", "--plugins", plugins, "--plugins", again});
  CHECK(twice.exit == 0);
}

TEST_CASE("loaded plugins: a bad file is reported with its place, before anything else is read") {
  const Folder folder;
  const auto spec = folder.write("spec.json", routes);
  std::string taken = soap;
  taken.replace(taken.find("\"soap\""), 6, "\"muon\"");
  const auto clash = run({"validate", spec, "--plugins", folder.write("taken.json", taken)});
  CHECK(clash.exit == 1);
  CHECK(clash.complains("error[SWY-3300]: the name `muon` is taken"));
  CHECK(clash.complains("taken.json:2:12"));
  CHECK(clash.out.empty());
  std::string misspelt = soap;
  misspelt.replace(misspelt.find("\"options\""), 9, "\"optoins\"");
  const auto json = run({"validate", spec, "--plugins", folder.write("bad.json", misspelt), "--format", "json"});
  CHECK(json.exit == 1);
  REQUIRE(json.json().at("diagnostics").size() == 1);
  CHECK(json.json().at("diagnostics").at(0).at("code") == "SWY-1011");
  CHECK(json.json().at("diagnostics").at(0).at("line") == 4);
  const auto absent = run({"validate", spec, "--plugins", folder / "absent.json"});
  CHECK(absent.exit == 2);
  CHECK(absent.complains("cannot read"));
}

TEST_CASE("schema: --merged holds loaded plugins, without it the committed schema stays") {
  const Folder folder;
  const auto plugins = folder.write("soap.json", soap);
  const auto merged = run({"schema", "--merged", "--plugins", plugins}).json();
  const auto& names = merged.at("definitions").at("optimizer").at("properties").at("plugin").at("else").at("enum");
  CHECK(std::find(names.begin(), names.end(), "soap") != names.end());
  CHECK(merged.at("definitions").at("options.soap").at("properties").contains("precondition_every"));
  CHECK(merged.at("$comment").get<std::string>().find("soap.json") != std::string::npos);
  CHECK(run({"schema", "--merged", "--document", "plan", "--plugins", plugins}).says("settings.soap"));
  CHECK(run({"schema", "--plugin", "soap", "--plugins", plugins}).says("precondition_every"));
  auto own = run({"schema", "--merged"}).json();
  auto committed = run({"schema"}).json();
  own.erase("$comment");
  committed.erase("$comment");
  CHECK(own == committed);
  const auto alone = run({"schema", "--plugins", plugins});
  CHECK(alone.exit == 2);
  CHECK(alone.complains("--merged"));
}

TEST_CASE("schema: --document prints each, and suggests for a wrong name") {
  const std::filesystem::path folder = std::filesystem::path(SWITCHYARD_SOURCE_DIR) / "schemas";
  for (const std::string name : {"spec", "plan", "manifest", "metrics", "checkpoint-index"})
    CHECK(run({"schema", "--document", name}).out == read_text(folder / ("switchyard." + name + ".v1.schema.json")));
  const auto wrong = run({"schema", "--document", "manifets"});
  CHECK(wrong.exit == 2);
  CHECK(wrong.complains("did you mean `manifest`?"));
  CHECK(run({"schema", "--document", "x"}).complains("the documents are spec, plan"));
}
