#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "core/run/composed_optimizer.h"

namespace switchyard {
namespace {

NamedTensor leaf(const std::string& name, const at::Tensor& value) {
  NamedTensor named;
  named.name = name;
  named.tensor = value.clone().requires_grad_(true);
  return named;
}

}  // namespace

TEST_CASE("lion: steps equal the textbook recursion in double precision") {
  at::manual_seed(11);
  const auto start = at::randn({5, 7}, at::kDouble);
  const double lr = 0.01;
  const double wd = 0.1;
  std::vector<NamedTensor> tensors = {leaf("w", start)};
  ComposedOptimizer optimizer({{.id = "g", .plugin = "lion", .parameters = {"w"}, .options = {{"weight_decay", wd}}}},
                              lr, tensors, builtin_registry());
  std::vector<double> p(start.data_ptr<double>(), start.data_ptr<double>() + start.numel());
  std::vector<double> m(p.size(), 0.0);
  for (int t = 0; t < 20; ++t) {
    const auto grad = at::randn({5, 7}, at::kDouble);
    tensors[0].tensor.mutable_grad() = grad;
    optimizer.step();
    const auto* g = grad.data_ptr<double>();
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double c = 0.9 * m[i] + 0.1 * g[i];
      p[i] -= lr * wd * p[i];
      if (c != 0) p[i] -= lr * std::copysign(1.0, c);
      m[i] = 0.99 * m[i] + 0.01 * g[i];
    }
  }
  const auto* got = tensors[0].tensor.data_ptr<double>();
  // 20 steps of a few roundings each, relative to values of order 1.
  for (std::size_t i = 0; i < p.size(); ++i) CHECK(std::abs(got[i] - p[i]) < 1e-13);
}

TEST_CASE("lion: an element whose average and gradient are zero does not move without decay") {
  std::vector<NamedTensor> tensors = {leaf("w", at::ones({4}))};
  ComposedOptimizer optimizer({{.id = "g", .plugin = "lion", .parameters = {"w"}}}, 0.5, tensors, builtin_registry());
  tensors[0].tensor.mutable_grad() = at::tensor({1.0F, 0.0F, -2.0F, 0.0F});
  optimizer.step();
  CHECK(tensors[0].tensor.equal(at::tensor({0.5F, 1.0F, 1.5F, 1.0F})));
}

}  // namespace switchyard
