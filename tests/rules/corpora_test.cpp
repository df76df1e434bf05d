// The seeds of the fuzzers, and inputs that once broke something, run through the fuzzers' own checks in every build.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/fuzz/fuzz.h"

using namespace switchyard;

TEST_CASE("corpora: every input of every fuzzer keeps its promises") {
  const std::map<std::string, void (*)(std::string_view)> targets = {
      {"json", fuzz::fuzz_json},       {"manifest", fuzz::fuzz_manifest},
      {"pattern", fuzz::fuzz_pattern}, {"safetensors", fuzz::fuzz_safetensors},
      {"spec", fuzz::fuzz_spec},       {"torch", fuzz::fuzz_torch},
      {"where", fuzz::fuzz_where}};
  for (const auto& entry : targets) {
    const auto& name = entry.first;
    const auto target = entry.second;
    std::size_t inputs = 0;
    for (const auto& input : std::filesystem::directory_iterator(SWITCHYARD_SOURCE_DIR "/tests/corpora/" + name)) {
      std::ifstream file(input.path(), std::ios::binary);
      std::ostringstream text;
      text << file.rdbuf();
      INFO(input.path().string());
      CHECK_NOTHROW(target(text.str()));
      ++inputs;
    }
    CHECK_MESSAGE(inputs >= 10, name);
  }
}
