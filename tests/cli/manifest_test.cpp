#include <doctest/doctest.h>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

TEST_CASE("manifest: the document reads back as the same model") {
  const Folder folder;
  const auto model = folder.write("gpt2.json", manifest_of("gpt2-124m", gpt2()));
  const auto first = run({"manifest", model});
  CHECK(first.exit == 0);
  CHECK(first.json().at("parameters").size() == 148);
  CHECK(first.json().at("parameters").at(0).at("names").size() == 2);
  const auto again = run({"manifest", folder.write("again.json", first.out)});
  CHECK(again.out == first.out);
  const auto spec = folder.write("spec.json", gpt2_spec);
  const auto plan = [&](const std::string& path) {
    return run({"plan", spec, "--model", path, "--format", "json"}).json();
  };
  CHECK(plan(folder / "again.json").at("plan_hash") == plan(model).at("plan_hash"));
}

TEST_CASE("manifest: of a bad model, nothing on stdout, or the one document of an error") {
  const Folder folder;
  const auto bad = folder.write(
      "bad.json",
      R"({"switchyard_manifest": 1, "model": "x", "parameters": [{"names": [], "shape": [1], "dtype": "float32"}]})");
  const auto text = run({"manifest", bad});
  CHECK(text.exit == 1);
  CHECK(text.out.empty());
  CHECK(text.complains("error[SWY-"));
  const auto json = run({"manifest", bad, "--format", "json"});
  CHECK(json.exit == 1);
  CHECK(json.json().at("diagnostics").size() >= 1);
}

TEST_CASE("manifest: an index names files of tensors, not itself and no manifest") {
  const Folder folder;
  folder.write("gpt2.json", manifest_of("gpt2-124m", gpt2()));
  const auto refused = [&](const std::string& map, const std::string& shard) {
    const auto result = run({"manifest", folder.write("m.index.json", R"({"weight_map": )" + map + "}")});
    INFO(map, result.err);
    CHECK(result.exit == 1);
    CHECK(result.out.empty());
    CHECK(result.complains("error[SWY-3010]"));
    CHECK(result.complains(shard + " is no file of tensors"));
  };
  refused(R"({"a": "m.index.json"})", "m.index.json");
  refused(R"({"a": "m.index.json", "b": "./m.index.json"})", "m.index.json");
  refused(R"({"wte.weight": "gpt2.json"})", "gpt2.json");
}
