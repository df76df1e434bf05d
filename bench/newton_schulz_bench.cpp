/// Newton-Schulz of float32 matrices against the same five steps written as products of the library, in one process,
/// alternating: the matrices of three GPT-2 layers against a loop of mm and addmm, and a mixture of small ones against
/// batches of bmm and baddbmm. Prints the ratio of the medians first, then milliseconds and the rate of a float32
/// product measured in the same run. Arguments: repetitions (default 9), threads (default: ATen's).

#include "kernels/newton_schulz.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

namespace {

using switchyard::kernels::NewtonSchulz;

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

double seconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Five steps on a batch [B, m, n], as one would write them with what the library has.
at::Tensor plain(const at::Tensor& g, const NewtonSchulz& options) {
  const bool batched = g.dim() == 3;
  const bool tall = g.size(-2) > g.size(-1);
  at::Tensor x = tall ? g.mT() : g;
  x = x / x.norm(2, {-2, -1}, true);
  for (const auto& k : options.rows) {
    const at::Tensor a = x.matmul(x.mT());  // [.., r, r]
    const at::Tensor p = batched ? at::baddbmm(a, a, a, k.b, k.c) : at::addmm(a, a, a, k.b, k.c);
    x = batched ? at::baddbmm(x, p, x, k.a, 1) : at::addmm(x, p, x, k.a, 1);
  }
  return tall ? x.mT() : x;
}

struct Workload {
  const char* name;
  std::vector<at::Tensor> stacks;  // [B, m, n]
  bool batched;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void compare(const Workload& work, int repetitions) {
  const NewtonSchulz options;
  std::vector<double> theirs, ours, rate;
  const at::Tensor square = at::randn({1536, 1536});
  double apart = 0;
  double operations = 0, needed = 0;
  for (const auto& stack : work.stacks) {
    const auto r = static_cast<double>(std::min(stack.size(1), stack.size(2)));
    const auto c = static_cast<double>(std::max(stack.size(1), stack.size(2)));
    operations += static_cast<double>(stack.size(0)) * 5 * (4 * r * r * c + 2 * r * r * r);
    needed += static_cast<double>(stack.size(0)) *
              switchyard::kernels::newton_schulz_flops(stack.size(1), stack.size(2), at::kFloat, 5);
  }
  for (int k = -1; k < repetitions; ++k) {  // the first round warms up
    double plain_time = 0, our_time = 0;
    for (const auto& stack : work.stacks) {
      std::vector<at::Tensor> results;
      plain_time += seconds([&] {
        if (work.batched) {
          results.push_back(plain(stack, options));
        } else {
          for (const auto& one : stack.unbind(0)) results.push_back(plain(one, options));
        }
      });
      at::Tensor copy = stack.clone();
      our_time += seconds([&] { switchyard::kernels::orthogonalize_(copy, options); });
      const at::Tensor expected = work.batched ? results[0] : at::stack(results);
      apart = std::max(apart, ((copy - expected).norm() / expected.norm()).item<double>());
    }
    const double product = seconds([&] { (void)at::mm(square, square); });
    if (k < 0) continue;
    theirs.push_back(plain_time);
    ours.push_back(our_time);
    rate.push_back(2e-9 * 1536 * 1536 * 1536 / product);
  }
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(theirs[i] / ours[i]);
  std::sort(ratios.begin(), ratios.end());
  std::printf(
      "%.2fx  %s: plain %.1f ms, here %.1f ms (quartiles of the ratio %.2f to %.2f; %.2f of the operations; "
      "%.0f GFLOP/s here, mm %.0f GFLOP/s; apart by %.1e)\n",
      median(theirs) / median(ours), work.name, 1e3 * median(theirs), 1e3 * median(ours), ratios[ratios.size() / 4],
      ratios[ratios.size() * 3 / 4], needed / operations, 1e-9 * needed / median(ours), median(rate), apart);
}

}  // namespace

int main(int count, char** arguments) {
  const int repetitions = count > 1 ? std::max(1, std::atoi(arguments[1])) : 9;
  if (count > 2) at::set_num_threads(std::max(1, std::atoi(arguments[2])));
  at::manual_seed(1);
  const auto stack = [](std::int64_t b, std::int64_t m, std::int64_t n) { return at::randn({b, m, n}); };
  compare({"matrices of 3 GPT-2 layers, loop of mm and addmm",
           {stack(3, 2304, 768), stack(3, 768, 768), stack(3, 3072, 768), stack(3, 768, 3072)},
           false},
          repetitions);
  compare({"mixture of small matrices, batches of bmm and baddbmm",
           {stack(200, 320, 128), stack(100, 128, 320), stack(24, 128, 128), stack(24, 32, 128)},
           true},
          repetitions);
  std::printf("%s, %d threads, median of %d\n", processor().c_str(), at::get_num_threads(), repetitions);
  return 0;
}
