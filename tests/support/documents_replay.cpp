/// Documents for tests/python/documents_test.py, which holds them against the schemas.
///
///   documents_replay SPEC FOLDER
/// runs the spec on small tensors (a step, one with a NaN, one in which a tensor has no gradient) and writes the
/// metrics of its sinks and a checkpoint into the folder.
///
///   documents_replay --manifests FILE...
/// prints a line a file: "accepted" or "refused", and the codes of what was found.

#include <ATen/ATen.h>

#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "core/run/composed_optimizer.h"
#include "rules/manifest.h"
#include "rules/planner.h"
#include "rules/spec.h"

namespace {

using namespace switchyard;

std::string read(const std::string& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void judge(const std::string& file) {
  Diagnostics diagnostics;
  std::string line = read_manifest(read(file), file, diagnostics) ? "accepted" : "refused";
  for (const auto& item : diagnostics.items()) line += " " + item.code;
  std::printf("%s\n", line.c_str());
}

void run(const std::string& spec_file, const std::string& folder) {
  const auto text = read(spec_file);
  const auto registry = builtin_registry();
  Diagnostics diagnostics;
  const Sources sources = {{spec_file, text}};
  auto spec = parse_spec(text, spec_file, registry, diagnostics);
  if (!spec) throw SpecError(diagnostics, sources);
  for (auto& sink : spec->sinks) sink.path = folder + "/" + sink.path;
  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, bool trained = true) {
    tensors.push_back({name, at::linspace(-1, 1, 64).slice(0, 0, c10::multiply_integers(shape)).view(shape).clone()});
    tensors.back().tensor.set_requires_grad(trained);
  };
  add("embed.weight", {8, 4});
  add("h.0.qkv.weight", {12, 4});
  add("h.0.up.weight", {6, 4});
  add("h.0.norm.weight", {4});
  add("scale", {1});
  add("positions", {8}, false);
  const auto table = table_from_tensors(tensors, diagnostics);
  const auto plan = make_plan(*spec, table, registry, diagnostics);
  if (!plan) throw SpecError(diagnostics, sources);
  RunOptions options;
  options.warn = [](const std::string&) {};
  ComposedOptimizer optimizer(*plan, tensors, registry, options);
  for (int step = 0; step < 3; ++step) {
    for (auto& named : tensors) {
      if (!named.tensor.requires_grad()) continue;
      named.tensor.mutable_grad() = at::full_like(named.tensor, 0.5);
    }
    if (step == 1) tensors[0].tensor.mutable_grad().fill_(std::numeric_limits<double>::quiet_NaN());
    if (step == 2) tensors[0].tensor.mutable_grad() = at::Tensor();
    optimizer.step();
  }
  optimizer.save(folder + "/checkpoint");
}

}  // namespace

int main(int argc, char** argv) {
  const bool manifests = argc > 1 && std::string(argv[1]) == "--manifests";
  if (argc != 3 && !manifests) {
    std::fprintf(stderr, "usage: documents_replay SPEC FOLDER | --manifests FILE...\n");
    return 2;
  }
  try {
    for (int i = 2; manifests && i < argc; ++i) judge(argv[i]);
    if (!manifests) run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "documents_replay: %s\n", error.what());
    return 1;
  }
  return 0;
}
