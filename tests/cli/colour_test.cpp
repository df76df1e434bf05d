#include <doctest/doctest.h>

#include <regex>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

namespace {

const char escape = '\x1b';

bool has_colour(const std::string& text) { return text.find(escape) != std::string::npos; }
std::string without_colour(const std::string& text) {
  return std::regex_replace(text, std::regex("\x1b\\[[0-9;]*m"), "");
}

struct Files {
  Folder folder;
  std::string spec = folder.write("spec.json", gpt2_spec);
  std::string model = folder.write("gpt2.json", manifest_of("gpt2", gpt2()));
  std::string bad = folder.write("bad.json", R"({"switchyard": 1, "optimizers": {"a": {"plugin": "adamv", "lr": 1}},
 "rules": [{"id": "note: x", "match": {"name": "a -- ^"}, "use": "b"}], "fallback": "a", "x": 1})");

  std::vector<std::vector<std::string>> commands() const {
    return {{"validate", bad},
            {"validate", spec},
            {"plan", spec, "--model", model},
            {"explain", spec, "--model", model, "--param", "lm_head.weight"},
            {"explain", spec, "--model", model, "--rule", "fused-qkv"},
            {"explain", "--code", "SWY-2001"},
            {"lint", spec, "--model", model},
            {"diff", spec, spec, "--model", model},
            {"plugins", "show", "muon"},
            {"plan", "--help"},
            {"plan"}};
  }
};

std::vector<std::string> with(std::vector<std::string> command, const std::vector<std::string>& more) {
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

}  // namespace

TEST_CASE("colour: none in files and pipes, whatever the terminal is") {
  const Files files;
  for (const auto& command : files.commands()) {
    for (const auto* environment : {"TERM=xterm-256color", "CLICOLOR_FORCE=1"}) {
      const auto result = run_in_shell(command, environment);
      CHECK_FALSE(has_colour(result.out + result.err));
    }
  }
}

TEST_CASE("colour: `always` changes no character of the text, and no exit status") {
  const Files files;
  for (const auto& command : files.commands()) {
    const auto plain = run(command);
    const auto coloured = run_in_shell(with(command, {"--color", "always"}), "NO_COLOR=1 TERM=dumb");
    CAPTURE(coloured.out + coloured.err);
    CHECK(without_colour(coloured.out) == plain.out);
    CHECK(without_colour(coloured.err) == plain.err);
    CHECK(coloured.exit == plain.exit);
  }
}

TEST_CASE("colour: severity, arrow, line numbers, marks and help of a finding") {
  const Files files;
  const auto result = run({"validate", files.bad, "--color=always"});
  for (const auto* part : {"\x1b[1;31merror[SWY-1017]\x1b[0m\x1b[1m: there is no plugin `adamv`\x1b[0m\n",
                           "\x1b[1;34m  -->\x1b[0m ", "\x1b[1;34m 1 |\x1b[0m {", "\x1b[1;34m   |\x1b[0m\x1b[1;31m ",
                           "\x1b[1;36mhelp\x1b[0m: did you mean `adamw`?", "\x1b[1;31m3 errors\x1b[0m\n"}) {
    CAPTURE(part);
    CAPTURE(result.err);
    CHECK(result.complains(part));
  }
  CHECK(run({"plan", files.spec, "--model", files.model, "--color=always"}).says("\x1b[1mspec\x1b[0m   gpt2"));
}

TEST_CASE("colour: never in documents and written files, even when always") {
  const Files files;
  for (const auto& command : files.commands()) {
    if (command.back() == "--help") continue;  // no document in any format
    const auto result = run(with(command, {"--color", "always", "--format", "json"}));
    CHECK_FALSE(has_colour(result.out));
  }
  CHECK_FALSE(has_colour(run({"manifest", files.model, "--color", "always"}).out));
  CHECK_FALSE(has_colour(run({"schema", "--color", "always"}).out));
  CHECK_FALSE(has_colour(run({"init", "--model", files.model, "--color", "always"}).out));
  CHECK_FALSE(
      has_colour(run({"plan", files.spec, "--model", files.model, "--format", "html", "--color", "always"}).out));
  CHECK(run({"plan", files.spec, "--model", files.model, "--color", "always", "-o", files.folder / "plan.txt"}).exit ==
        0);
  CHECK_FALSE(has_colour(read_text(files.folder / "plan.txt")));
}

TEST_CASE("explain --code: the entry of a code, however it is written") {
  const auto whole = run({"explain", "--code", "SWY-2001"});
  CHECK(whole.exit == 0);
  CHECK(whole.says("error[SWY-2001]: a rule or an override matches no parameter\n"));
  CHECK(whole.says("    switchyard plan spec.json --model model.json\n"));
  CHECK(run({"explain", "--code", "2001"}).out == whole.out);
  CHECK(run({"explain", "--code", "swy2001"}).out == whole.out);
  const auto json = run({"explain", "--code", "SWY-2001", "--format", "json"}).json();
  CHECK(json.at("severity") == "error");
  CHECK(json.at("page").get<std::string>().find("```json") != std::string::npos);
}
