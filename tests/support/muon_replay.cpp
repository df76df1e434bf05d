/// Replays Muon through the whole engine for tests/python/muon_torch_test.py.
///
///   muon_replay CASES IN OUT
/// CASES: a line for each: dtype(float32|float64) iteration(float32|float64|bfloat16) out in steps lr momentum
/// nesterov(0|1)
///        weight_decay scale(spectral|match_rms_adamw)
/// IN:    for each case p0 and one gradient a step, raw
/// OUT:   for each case p after every step, raw

#include <ATen/ATen.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "core/run/composed_optimizer.h"

namespace {

using namespace switchyard;

at::Tensor read(std::istream& in, std::int64_t rows, std::int64_t columns, at::ScalarType type) {
  auto tensor = at::empty({rows, columns}, type);
  in.read(static_cast<char*>(tensor.mutable_data_ptr()), static_cast<std::streamsize>(tensor.nbytes()));
  if (!in) throw std::runtime_error("the input ends early");
  return tensor;
}

void replay(const std::string& line, const Registry& registry, std::istream& in, std::ostream& out) {
  std::istringstream words(line);
  std::string dtype;
  std::string iteration;
  std::string lr;
  std::string momentum;
  std::string weight_decay;
  std::string scale;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  int steps = 0;
  bool nesterov = false;
  words >> dtype >> iteration >> rows >> columns >> steps >> lr >> momentum >> nesterov >> weight_decay >> scale;
  if (!words) throw std::runtime_error("not a case: " + line);
  const auto type = dtype == "float64" ? at::kDouble : at::kFloat;
  const auto param = read(in, rows, columns, type).set_requires_grad(true);
  ComposedOptimizer optimizer(
      {{.id = "matrices",
        .plugin = "muon",
        .parameters = {"p"},
        .options = {{"coefficients", std::string("jordan")},
                    {"ns_steps", std::int64_t{5}},
                    {"momentum", std::stod(momentum)},  // stod: every printed double comes back exactly
                    {"nesterov", nesterov},
                    {"weight_decay", std::stod(weight_decay)},
                    {"scale", scale},
                    {"dtype", iteration}}}},
      std::stod(lr), {{"p", param}}, registry);
  for (int step = 0; step < steps; ++step) {
    param.mutable_grad() = read(in, rows, columns, type);
    optimizer.step();
    out.write(static_cast<const char*>(param.const_data_ptr()), static_cast<std::streamsize>(param.nbytes()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: muon_replay CASES IN OUT\n", stderr);
    return 2;
  }
  try {
    std::ifstream cases(argv[1]);
    std::ifstream in(argv[2], std::ios::binary);
    std::ofstream out(argv[3], std::ios::binary);
    if (!cases || !in || !out) throw std::runtime_error("cannot open a file");
    const auto registry = switchyard::builtin_registry();
    for (std::string line; std::getline(cases, line);) replay(line, registry, in, out);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "muon_replay: %s\n", error.what());
    return 1;
  }
  return 0;
}
