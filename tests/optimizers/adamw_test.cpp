#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "tests/optimizers/trajectory.h"

using namespace switchyard;
using testing::apart;
using testing::Golden;
using testing::Training;
using testing::trajectory;

namespace {

/// The textbook in float64.
struct Reference {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
  bool amsgrad = false;
  bool maximize = false;

  at::Tensor run(at::IntArrayRef shape, int steps) const {
    auto p = testing::first_param(shape);
    auto m = at::zeros(shape, at::kDouble);
    auto v = at::zeros(shape, at::kDouble);
    auto largest = at::zeros(shape, at::kDouble);
    for (int t = 1; t <= steps; ++t) {
      const auto g = testing::gradient_at(t, shape) * (maximize ? -1.0 : 1.0);
      p = p * (1 - lr * weight_decay);
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      largest = at::maximum(largest, v);
      const auto m_hat = m / (1 - std::pow(beta1, t));
      const auto v_hat = (amsgrad ? largest : v) / (1 - std::pow(beta2, t));
      p = p - lr * m_hat / (v_hat.sqrt() + eps);
    }
    return p;
  }
};

Training like(const Reference& reference, int steps) {
  Training training{"adamw"};
  training.lr = reference.lr;
  training.steps = steps;
  training.options = {{"betas", std::vector<double>{reference.beta1, reference.beta2}},
                      {"eps", reference.eps},
                      {"weight_decay", reference.weight_decay},
                      {"amsgrad", reference.amsgrad},
                      {"maximize", reference.maximize}};
  return training;
}

}  // namespace

TEST_CASE("adamw: the golden scalars of twenty steps") {
  for (const auto& golden : {Golden{{5, 7}, -4.93463844377, 3.38368743579, -0.72804637117},
                             Golden{{3}, -2.22194761267, 1.32387800892, -0.72804637117}}) {
    testing::check_golden(Reference{}.run(golden.shape, 20), golden, 1e-10);
    testing::check_golden(trajectory(like({}, 20), golden.shape, at::kDouble).back(), golden, 1e-10);
    testing::check_golden(trajectory(like({}, 20), golden.shape, at::kFloat).back(), golden, 2e-5);
  }
}

TEST_CASE("adamw: the textbook formula in double precision, with every option") {
  const std::vector<Reference> variants = {{},
                                           {.weight_decay = 0},
                                           {.lr = 0.1, .beta1 = 0.4, .beta2 = 0.9, .eps = 1e-3, .weight_decay = 0.3},
                                           {.beta2 = 0.5, .amsgrad = true},
                                           {.maximize = true}};
  for (const auto& reference : variants) {
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{}, {1}, {3}, {5, 7}, {2, 3, 4}, {127, 33}}) {
      INFO("lr ", reference.lr, ", beta2 ", reference.beta2, ", dimensions ", shape.size());
      CHECK(apart(trajectory(like(reference, 100), shape, at::kDouble).back(), reference.run(shape, 100)) <=
            1e-13 * 100);  // O8: 1e-13 a step
      CHECK(apart(trajectory(like(reference, 100), shape, at::kFloat).back(), reference.run(shape, 100)) <= 1e-4);
    }
  }
}

TEST_CASE("adamw: bias correction follows each parameter's own count") {
  const testing::Threads one(1);
  const auto registry = builtin_registry();
  const auto make = [] { return testing::first_param({5}).set_requires_grad(true); };
  const std::vector<NamedTensor> tensors = {{"early", make()}, {"late", make()}};
  ComposedOptimizer optimizer({{.id = "g", .plugin = "adamw", .parameters = {"early", "late"}}}, 0.1, tensors,
                              registry);
  for (int step = 1; step <= 4; ++step) {
    tensors[0].tensor.mutable_grad() = step <= 2 ? testing::gradient_at(step, {5}) : at::Tensor();
    tensors[1].tensor.mutable_grad() = step > 2 ? testing::gradient_at(step - 2, {5}) : at::Tensor();
    optimizer.step();
  }
  CHECK(testing::same_bits(tensors[0].tensor.detach(), tensors[1].tensor.detach()));
}
