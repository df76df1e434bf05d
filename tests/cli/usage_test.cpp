#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

TEST_CASE("command: --version names every part, on stdout") {
  const auto result = run_in_shell({"--version"});
  CHECK(result.exit == 0);
  CHECK(result.out.rfind("switchyard ", 0) == 0);
  CHECK(result.says("LibTorch 2."));
  CHECK(result.says("compiler "));
  CHECK(result.says("build "));
  const auto json = run({"--version", "--format", "json"}).json();
  for (const auto* key : {"switchyard_version", "libtorch", "compiler", "build"}) CHECK(json.at(key).is_string());
}

TEST_CASE("command: --help is on stdout and shows examples, for every verb") {
  const auto whole = run({"--help"});
  CHECK(whole.exit == 0);
  CHECK(whole.says("validate"));
  CHECK(whole.says("Exit status"));
  for (const auto* verb : {"validate", "plan", "explain", "diff", "lint", "init", "plugins", "schema", "manifest"}) {
    const auto result = run({verb, "--help"});
    CAPTURE(verb);
    CHECK(result.exit == 0);
    CHECK(result.says("Examples:\n  switchyard " + std::string(verb)));
    CHECK(result.says("--color"));
  }
}

TEST_CASE("command: a wrong command line is exit 2, on stderr only, with a suggestion") {
  struct Case {
    std::vector<std::string> arguments;
    const char* says;
  };
  for (const auto& [arguments, says] :
       std::vector<Case>{{{"plna"}, "did you mean `plan`?"},
                         {{"frobnicate"}, "the verbs are validate"},
                         {{"\xff\xfe"}, "\\xff\\xfe"},
                         {{}, "validate"},
                         {{"plan"}, "SPEC"},
                         {{"plan", "spec.json"}, "--model"},
                         {{"plan", "spec.json", "--modle", "m"}, "--model"},
                         {{"validate"}, "SPEC"},
                         {{"validate", "--format", "xml", "a"}, "xml"},
                         {{"validate", "a", "--frmat", "json"}, "did you mean `--format`?"},
                         {{"explain", "a", "--model", "b"}, "--param"},
                         {{"explain", "a", "--param", "b"}, "--model"},
                         {{"explain", "--model", "a", "--param", "b"}, "SPEC"},
                         {{"explain", "--code", "SWY-2002", "--param", "b"}, "--code"},
                         {{"explain", "--code", "SWY-9001"}, "did you mean `SWY-0001` (a command line"},
                         {{"plugins"}, "ubcommand"},
                         {{"plugins", "lst"}, "did you mean `list`?"},
                         {{"validate", "--format", "jsn", "a"}, "did you mean `json`?"},
                         {{"plan", "--format", "htm", "a"}, "did you mean `html`?"},
                         {{"validate", "--color", "alway", "a"}, "did you mean `always`?"},
                         {{"--colour"}, "did you mean `--color`?"},
                         {{"plugins", "show", "moun"}, "did you mean `muon`?"},
                         {{"schema", "--plugin", "adamv"}, "did you mean `adamw`?"},
                         {{"schema", "--plugin", "adamw", "--write", "/tmp"}, "--write"},
                         {{"schema", "--write", "/no such folder"}, "cannot write"}}) {
    const auto result = run(arguments);
    CAPTURE(result.err);
    CHECK(result.exit == 2);
    CHECK(result.out.empty());
    CHECK(result.complains(says));
  }
}

TEST_CASE("command: with --format json a wrong command line is one document too") {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"plan", "--format", "json"},
                                                                     {"plan", "--format=json"},
                                                                     {"plna", "--format", "json"},
                                                                     {"plugins", "show", "x", "--format", "json"}}) {
    const auto result = run(arguments);
    CHECK(result.exit == 2);
    CHECK(result.json().at("switchyard_error") == 1);
    CHECK(result.json().at("diagnostics").size() == 1);
  }
}

// Covers J66, J67, J68, J69.
TEST_CASE("command: files that cannot be opened are exit 2, without waiting") {
  const Folder folder;
  const auto good = folder.write("spec.json", adamw_spec);
  const auto model =
      folder.write("m.json", manifest_of("m", nlohmann::json::array({parameter({"w"}, {2, 2}, "Linear")})));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  std::vector<std::string> bad = {folder / "absent.json", folder.path.string(), folder / "pipe", "/dev/zero",
                                  folder / "absent\xff.json"};
  if (::geteuid() != 0) {
    bad.push_back(folder.write("secret.json", "{}"));
    REQUIRE(::chmod(bad.back().c_str(), 0) == 0);
  }
  for (const auto& path : bad) {
    CAPTURE(path);
    for (const auto& arguments :
         std::vector<std::vector<std::string>>{{"validate", path},
                                               {"plan", path, "--model", model},
                                               {"plan", good, "--model", path},
                                               {"explain", good, "--model", path, "--param", "w"},
                                               {"manifest", path}}) {
      const auto text = run(arguments);
      CHECK(text.exit == 2);
      CHECK(text.out.empty());
      CHECK(text.complains("cannot read"));
      auto as_json = arguments;
      as_json.insert(as_json.end(), {"--format", "json"});
      const auto json = run(as_json);
      CHECK(json.exit == 2);
      CHECK(json.json().at("diagnostics").size() == 1);
    }
  }
}

TEST_CASE("command: a reader that goes away is no failure, and a full disk is one") {
  const auto result = run_in_shell({"schema"}, "", "| head -c 10");
  CHECK(result.out.size() == 10);
  CHECK(result.err.empty());
  if (std::filesystem::exists("/dev/full")) {
    const auto full = run_in_shell({"schema"}, "", ">/dev/full");
    CHECK(full.exit == 70);
    CHECK(full.complains("cannot write"));
  }
}

TEST_CASE("command: the locale of the environment changes nothing") {
  const Folder folder;
  const auto spec = folder.write("spec.json", gpt2_spec);
  const auto model = folder.write("gpt2.json", manifest_of("gpt2", gpt2()));
  const std::vector<std::string> arguments = {"plan", spec, "--model", model, "--format", "json"};
  CHECK(run(arguments).out == run_in_shell(arguments, "LC_ALL=de_DE.UTF-8").out);
}
