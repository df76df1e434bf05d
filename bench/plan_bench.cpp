// Time of planning inside a process, without LibTorch: reading a manifest and a spec, making the plan (hashes
// included); and of patterns that ruin other matchers, on a name of 100 kB.
//   usage: bench_plan [PARAMETERS RULES [REPEATS]]   (default 10000 100 15)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "rules/manifest.h"
#include "rules/planner.h"
#include "rules/plugins_json.h"

using namespace switchyard;

namespace {

/// Median wall time in milliseconds.
double median_ms(int repeats, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

[[noreturn]] void fail(const Diagnostics& diagnostics) {
  std::fprintf(stderr, "%s", render(diagnostics, {}).c_str());
  std::exit(1);
}

std::string manifest_text(int parameters, int rules) {
  std::string out = R"({"switchyard_manifest": 1, "model": "many", "parameters": [)";
  for (int i = 0; i < parameters; ++i) {
    out += (i > 0 ? ",\n" : "\n") + std::string(R"({"names": ["model.part)") + std::to_string(i % rules) + ".layers." +
           std::to_string(i / rules) + R"(.weight"], "shape": [64, 64], "dtype": "float32", "module": "Linear"})";
  }
  return out + "]}";
}

std::string spec_text(int rules) {
  std::string out =
      R"({"switchyard": 1, "optimizers": {"hidden": {"plugin": "muon", "lr": 0.02}}, "fallback": "error", "rules": [)";
  for (int i = 0; i < rules; ++i) {
    out += (i > 0 ? ",\n" : "\n") + std::string(R"({"id": "r)") + std::to_string(i) +
           R"(", "match": {"name": "model.part)" + std::to_string(i) +
           R"(.layers.*.weight", "ndim": 2}, "use": "hidden"})";
  }
  return out + "]}";
}

void plans(int parameters, int rules, int repeats) {
  std::ifstream file(SWITCHYARD_SOURCE_DIR "/schemas/plugins.json");
  std::ostringstream plugins;
  plugins << file.rdbuf();
  const auto registry = registry_from_json(plugins.str());
  const auto model = manifest_text(parameters, rules);
  const auto text = spec_text(rules);
  Diagnostics diagnostics;
  const auto manifest = read_manifest(model, "model.json", diagnostics);
  const auto spec = parse_spec(text, "spec.json", registry, diagnostics);
  if (!manifest || !spec) fail(diagnostics);
  const double reading = median_ms(repeats, [&] {
    Diagnostics none;
    if (!read_manifest(model, "model.json", none)) fail(none);
  });
  const double parsing = median_ms(repeats, [&] {
    Diagnostics none;
    if (!parse_spec(text, "spec.json", registry, none)) fail(none);
  });
  const double planning = median_ms(repeats, [&] {
    Diagnostics none;
    if (!make_plan(*spec, manifest->table, registry, none)) fail(none);
  });
  std::printf("%d parameters, %d rules: manifest %.1f ms, spec %.1f ms, plan %.1f ms, together %.1f ms\n", parameters,
              rules, reading, parsing, planning, reading + parsing + planning);
}

void patterns(int repeats) {
  const auto name = std::string(100'000, 'a') + "b";  // begins and ends as all of them ask, and lacks the 'c'
  for (const char* text : {"re:(a+)+c?b+c", "re:(a|aa)+c", "re:(.*a){20}c", "**a**a**a**a**a**ac*b",
                           "**a????????????????????c*b", "{a,aa}*{a,aa}*{a,aa}*c*b"}) {
    PatternError error;
    bool hit = false;
    const double compared = median_ms(repeats, [&] {
      const auto pattern = Pattern::compile(text, error);
      hit = pattern == nullptr || pattern->matches(name);
    });
    if (hit) std::exit(1);
    std::printf("%-32s on 100 kB: %.3f ms\n", text, compared);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int parameters = argc > 2 ? std::atoi(argv[1]) : 10'000;
  const int rules = argc > 2 ? std::atoi(argv[2]) : 100;
  const int repeats = argc > 3 ? std::atoi(argv[3]) : 15;
  if (parameters < 1 || rules < 1 || rules > parameters || repeats < 1) {
    std::fprintf(stderr, "usage: bench_plan [PARAMETERS RULES [REPEATS]], at least one parameter a rule\n");
    return 2;
  }
  plans(parameters, rules, repeats);
  patterns(repeats);
}
