/// Replays AdamW trajectories for tests/python/adamw_torch_test.py, which compares them with torch's own bit for bit.
///
///   adamw_replay CASES IN OUT
/// CASES: a line for each: arithmetic(fused|torch) dtype(float32|float64) numel steps gradients lr beta1 beta2 eps
///        weight_decay amsgrad(0|1) maximize(0|1)
/// IN:    for each case p0 and its gradients, raw; step t (from 1) uses gradient (t - 1) mod `gradients`
/// OUT:   for each case the final p, exp_avg, exp_avg_sq, max_exp_avg_sq (zeros without amsgrad), raw; before them p
/// after
///        every step if numel <= 1100

#include <ATen/ATen.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/run/composed_optimizer.h"

namespace {

using namespace switchyard;

at::Tensor read(std::istream& in, std::int64_t n, at::ScalarType type) {
  at::Tensor t = at::empty({n}, type);
  in.read(static_cast<char*>(t.mutable_data_ptr()), static_cast<std::streamsize>(t.nbytes()));
  if (!in) throw std::runtime_error("the input ends early");
  return t;
}

void write(std::ostream& out, const at::Tensor& t) {
  out.write(static_cast<const char*>(t.const_data_ptr()), static_cast<std::streamsize>(t.nbytes()));
}

void replay(const std::string& line, const Registry& registry, std::istream& in, std::ostream& out) {
  std::istringstream words(line);
  std::string arithmetic;
  std::string dtype;
  std::string lr;
  std::string beta1;
  std::string beta2;
  std::string eps;
  std::string weight_decay;
  std::int64_t n = 0;
  std::int64_t steps = 0;
  std::int64_t gradients = 0;
  bool amsgrad = false;
  bool maximize = false;
  words >> arithmetic >> dtype >> n >> steps >> gradients >> lr >> beta1 >> beta2 >> eps >> weight_decay >> amsgrad >>
      maximize;
  if (!words) throw std::runtime_error("not a case: " + line);
  // std::stod and not >>, so that every printed double comes back exactly.
  const OptionValues options = {{"betas", std::vector<double>{std::stod(beta1), std::stod(beta2)}},
                                {"eps", std::stod(eps)},
                                {"weight_decay", std::stod(weight_decay)},
                                {"amsgrad", amsgrad},
                                {"maximize", maximize},
                                {"arithmetic", arithmetic}};
  const at::ScalarType type = dtype == "float64" ? at::kDouble : at::kFloat;
  NamedTensor named;
  named.name = "p";
  named.tensor = read(in, n, type).set_requires_grad(true);
  std::vector<at::Tensor> grads;
  for (std::int64_t i = 0; i < gradients; ++i) grads.push_back(read(in, n, type));
  ComposedOptimizer optimizer({{.id = "g", .plugin = "adamw", .parameters = {"p"}, .options = options}}, std::stod(lr),
                              {named}, registry);
  const auto param = named.tensor.detach();
  for (std::int64_t t = 1; t <= steps; ++t) {
    named.tensor.mutable_grad() = grads[static_cast<std::size_t>((t - 1) % gradients)];
    if (!optimizer.step().applied) throw std::runtime_error("a step was skipped");
    if (n <= 1100) write(out, param);
  }
  at::Tensor m, v, vmax = at::zeros({n}, type);
  for (auto& [name, tensor] : optimizer.state()) {
    if (name == "p/exp_avg") m = tensor;
    if (name == "p/exp_avg_sq") v = tensor;
    if (name == "p/max_exp_avg_sq") vmax = tensor;
  }
  for (const at::Tensor& t : {param, m, v, vmax}) write(out, t);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: adamw_replay CASES IN OUT\n", stderr);
    return 2;
  }
  try {
    std::ifstream cases(argv[1]);
    std::ifstream in(argv[2], std::ios::binary);
    std::ofstream out(argv[3], std::ios::binary);
    if (!cases || !in || !out) throw std::runtime_error("cannot open a file");
    const auto registry = builtin_registry();
    for (std::string line; std::getline(cases, line);) replay(line, registry, in, out);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "adamw_replay: %s\n", e.what());
    return 1;
  }
  return 0;
}
