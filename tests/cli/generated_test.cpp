// What is generated from the option tables and committed must be what the command generates now: run `switchyard schema
// --write schemas` after a change of options.

#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

namespace {

const std::filesystem::path committed = std::filesystem::path(SWITCHYARD_SOURCE_DIR) / "schemas";

}  // namespace

TEST_CASE("schemas: every committed file is what the command writes, and there is no other generated one") {
  const Folder folder;
  const auto result = run({"schema", "--write", folder.path.string()});
  REQUIRE(result.exit == 0);
  std::set<std::string> names;
  std::stringstream lines(result.out);
  for (std::string name; std::getline(lines, name);) {
    names.insert(name);
    CAPTURE(name);
    CHECK(read_text(folder.path / name) == read_text(committed / name));
  }
  CHECK(names.count("switchyard.spec.v1.schema.json") == 1);
  CHECK(names.count("plugins.json") == 1);
  for (const auto& entry : std::filesystem::directory_iterator(committed)) {
    const auto name = entry.path().filename().string();
    if (entry.is_regular_file()) CHECK_MESSAGE(names.count(name) == 1, name);
  }
}

TEST_CASE("schemas: what the verbs print is what is committed") {
  CHECK(run({"schema"}).out == read_text(committed / "switchyard.spec.v1.schema.json"));
  CHECK(run({"schema", "--plugin", "muon"}).out == read_text(committed / "plugin.muon.options.schema.json"));
  CHECK(run({"plugins", "list", "--format", "json"}).out == read_text(committed / "plugins.json"));
}

TEST_CASE("plugins: the list and the pages say what the document says") {
  const auto document = run({"plugins", "list", "--format", "json"}).json();
  const auto list = run({"plugins", "list"});
  CHECK(list.exit == 0);
  for (const auto& plugin : document.at("plugins")) {
    const auto name = plugin.at("name").get<std::string>();
    CHECK(list.says(name));
    const auto page = run({"plugins", "show", name});
    CHECK(page.exit == 0);
    for (const auto& option : plugin.at("options")) {
      CHECK(page.says(option.at("name").get<std::string>()));
      CHECK(page.says(option.at("doc").get<std::string>()));
    }
    for (const auto& slot : plugin.at("slots")) CHECK(page.says(slot.at("name").get<std::string>()));
    CHECK(run({"plugins", "show", name, "--format", "json"}).json().at("plugins").at(0) == plugin);
  }
}

TEST_CASE("schemas: unknown keys are refused everywhere and nothing that this build refuses is offered") {
  const auto schema = run({"schema"}).json();
  std::function<void(const nlohmann::json&, const std::string&)> walk = [&](const nlohmann::json& node,
                                                                            const std::string& where) {
    CAPTURE(where);
    if (node.is_object() && node.contains("properties") && node.value("type", "") == "object")
      CHECK(node.contains("additionalProperties"));
    if (!node.is_structured()) return;
    for (const auto& [key, child] : node.items()) walk(child, where + "/" + key);
  };
  walk(schema, "");
  for (const auto* key : {"requires", "modular_norm", "monitors", "distributed", "checkpoint"})
    CHECK_FALSE(schema.at("properties").contains(key));
  CHECK_FALSE(schema.at("definitions").at("match").at("properties").contains("tag"));
}
