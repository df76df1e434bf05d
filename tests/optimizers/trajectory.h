#pragma once
/// One parameter, one plugin, the portable inputs of reliability.md 3b: p0 = T(100), the gradient of step t (from 0) is
/// T(200 + t).

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "core/run/composed_optimizer.h"
#include "tests/kernels/values.h"

namespace switchyard::testing {

struct Training {
  const char* plugin;
  OptionValues options{};
  double lr = 0.02;
  int steps = 5;
  std::vector<std::pair<std::string, Schedule>> schedules{};
  Machine machine{};
};

inline at::Tensor first_param(at::IntArrayRef shape) { return portable(100, shape); }
/// Step counted from 1.
inline at::Tensor gradient_at(int step, at::IntArrayRef shape) {
  return portable(199 + static_cast<std::uint64_t>(step), shape);
}

/// The parameter after each step.
inline std::vector<at::Tensor> trajectory(const Training& training, at::IntArrayRef shape, at::ScalarType dtype) {
  const Threads one(1);
  const auto registry = builtin_registry();
  const auto param = first_param(shape).to(dtype).set_requires_grad(true);
  ComposedOptimizer optimizer({{.id = "g",
                                .plugin = training.plugin,
                                .parameters = {"p"},
                                .options = training.options,
                                .schedules = training.schedules}},
                              training.lr, {{"p", param}}, registry, {.machine = training.machine});
  std::vector<at::Tensor> out;
  for (int step = 1; step <= training.steps; ++step) {
    param.mutable_grad() = gradient_at(step, shape).to(dtype);
    optimizer.step();
    out.push_back(param.detach().clone());
  }
  return out;
}

/// Relative Frobenius distance.
inline double apart(const at::Tensor& a, const at::Tensor& b) {
  const auto y = b.to(at::kDouble);
  return a.to(at::kDouble).sub(y).norm().item<double>() / y.norm().item<double>();
}

/// Sum, Frobenius norm and first element, as the golden scalars are given.
struct Golden {
  std::vector<std::int64_t> shape;
  double sum, norm, first;
};

/// Relative to the norm (a sum may nearly cancel).
inline void check_golden(const at::Tensor& value, const Golden& golden, double tolerance) {
  const auto x = value.to(at::kDouble);
  const auto n = std::sqrt(static_cast<double>(x.numel()));
  INFO("sum ", x.sum().item<double>(), ", norm ", x.norm().item<double>(), ", first ", x.view(-1)[0].item<double>());
  CHECK(std::abs(x.sum().item<double>() - golden.sum) <= tolerance * golden.norm * n);
  CHECK(std::abs(x.norm().item<double>() - golden.norm) <= tolerance * golden.norm);
  CHECK(std::abs(x.view(-1)[0].item<double>() - golden.first) <= tolerance * std::max(1.0, std::abs(golden.first)));
}

}  // namespace switchyard::testing
