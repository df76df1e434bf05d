#include <doctest/doctest.h>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

TEST_CASE("validate: a good spec is said to be good, on stdout") {
  const Folder folder;
  const auto spec = folder.write("good.json", gpt2_spec);
  const auto result = run({"validate", spec});
  CHECK(result.exit == 0);
  CHECK(result.says(spec + ": valid, 3 optimizers, 5 rules, 2 overrides"));
  CHECK(result.err.empty());
  const auto json = run({"validate", spec, "--format", "json"}).json();
  CHECK(json.at("switchyard_validate") == 1);
  CHECK(json.at("files") == nlohmann::json::array({{{"file", spec}, {"valid", true}}}));
  CHECK(json.at("diagnostics").empty());
}

TEST_CASE("validate: every mistake of every file is reported, on stderr, with place and suggestion") {
  const Folder folder;
  auto text = std::string(adamw_spec);
  text.replace(text.find("\"lr\": 0.001"), 11, "\"lr\": 0.001, \"options\": {\"epss\": 1}");
  text.replace(text.find("\"use\": \"all\""), 12, "\"use\": \"al\"");
  const auto bad = folder.write("bad.json", text);
  const auto broken = folder.write("broken.json", "{");
  const auto good = folder.write("good.json", adamw_spec);
  const auto result = run({"validate", bad, good, broken});
  CHECK(result.exit == 1);
  CHECK(result.out == good + ": valid, 1 optimizer, 1 rule, 0 overrides\n");
  CHECK(result.complains(bad + ":3:"));
  CHECK(result.complains("did you mean `eps`?"));
  CHECK(result.complains("did you mean `all`?"));
  CHECK(result.complains(broken + ":1:"));
  CHECK(result.complains("3 errors"));
  const auto json = run({"validate", bad, good, broken, "--format", "json"});
  CHECK(json.exit == 1);
  CHECK(json.err.empty());
  const auto document = json.json();
  CHECK(document.at("files").at(0).at("valid") == false);
  CHECK(document.at("files").at(1).at("valid") == true);
  CHECK(document.at("files").at(2).at("valid") == false);
  REQUIRE(document.at("diagnostics").size() == 3);
  for (const auto& finding : document.at("diagnostics")) {
    CHECK(finding.at("severity") == "error");
    CHECK(finding.at("line").get<int>() >= 1);
    CHECK_FALSE(finding.at("code").get<std::string>().empty());
  }
}

TEST_CASE("validate: a missing file counts for more than a bad one") {
  const Folder folder;
  CHECK(run({"validate", folder / "absent", folder.write("bad.json", "{}")}).exit == 2);
}

TEST_CASE("validate: hostile files are errors, not accidents") {
  const Folder folder;
  using namespace std::string_literals;
  for (const auto& text :
       {""s, "   "s, "[]"s, "null"s, "\"x\""s, std::string(100000, '['), "{}\0garbage"s, "\xff\xfe{"s,
        "\xef\xbb\xbf{}"s, "{\"switchyard\": 1} {}"s, "{\"switchyard\": 1, // x\n}"s}) {
    const auto path = folder.write("spec.json", text);
    const auto result = run({"validate", path});
    CHECK(result.exit == 1);
    CHECK(result.out.empty());
    CHECK(result.complains("error[SWY-"));
    CHECK(run({"validate", path, "--format", "json"}).json().at("diagnostics").size() >= 1);
  }
}

// Covers J31.
TEST_CASE("validate: a file beyond the size limit is refused") {
  const Folder folder;
  const auto path = folder.write("huge.json", "{}");
  std::filesystem::resize_file(path, (std::uintmax_t{64} << 20) + 1);
  const auto result = run({"validate", path});
  CHECK(result.exit == 1);
  CHECK(result.complains("SWY-1005"));
}

TEST_CASE("validate: odd file names are printed readably and do not break the document") {
  const Folder folder;
  const auto path = folder.write("caf\xc3\xa9 \xff\n.json", "{");
  const auto result = run({"validate", path, "--format", "json"});
  CHECK(result.exit == 1);
  CHECK(result.json().at("files").at(0).at("file").get<std::string>().find("caf\xc3\xa9 \\xff\\x0a.json") !=
        std::string::npos);
}

TEST_CASE("validate: a spec over a file and a preset; places in either, paths relative to the file that names them") {
  const Folder folder;
  std::filesystem::create_directory(folder.path / "shared");
  const auto base = folder.write("shared/base.json", R"({"switchyard": 1, "extends": "preset:mlp", "base_lr": -1})");
  const auto spec = folder.write("spec.json", R"({"switchyard": 1, "extends": "shared/base.json"})");
  const auto broken = run({"validate", spec});
  CHECK(broken.exit == 1);
  CHECK_MESSAGE(broken.complains(base + ":1:"), broken.err);
  folder.write("shared/base.json", R"({"switchyard": 1, "extends": "preset:mlp", "base_lr": 1})");
  const auto good = run({"validate", spec});
  CHECK_MESSAGE(good.exit == 0, good.err);
  CHECK(good.says("2 optimizers, 5 rules, 1 override"));
  std::filesystem::remove(base);
  const auto missing = run({"validate", spec});
  CHECK(missing.exit == 1);
  CHECK(missing.complains("SWY-1160"));
  CHECK(missing.complains(spec + ":1:"));
}

// Covers J57, J58, J59.
TEST_CASE("validate: `extends` follows paths and links to regular files, and nothing else") {
  const Folder folder;
  std::filesystem::create_directory(folder.path / "specs");
  const auto base = folder.write("base.json", R"({"switchyard": 1, "extends": "preset:mlp"})");
  const auto verdict = [&](const std::string& path) {
    return run({"validate", folder.write("specs/spec.json", R"({"switchyard": 1, "extends": ")" + path + "\"}")});
  };
  std::filesystem::create_symlink(base, folder.path / "specs/link.json");
  CHECK(verdict("../base.json").exit == 0);
  CHECK(verdict(base).exit == 0);
  CHECK(verdict("link.json").exit == 0);
  std::filesystem::create_symlink("turn.json", folder.path / "specs/turn.json");
  std::filesystem::create_symlink("/dev/zero", folder.path / "specs/endless.json");
  for (const auto& path : {std::string("turn.json"), std::string("endless.json"), std::string(".."),
                           std::string("/dev/zero"), std::string("../../../../absent.json")}) {
    CAPTURE(path);
    const auto result = verdict(path);
    CHECK(result.exit == 1);
    CHECK(result.complains("SWY-1160"));
  }
  // A circle is one whatever path it takes.
  std::filesystem::create_symlink(folder.path / "specs/spec.json", folder.path / "specs/self.json");
  const auto circle = verdict("self.json");
  CHECK(circle.exit == 1);
  CHECK(circle.complains("SWY-1161"));
}
