#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "tests/optimizers/trajectory.h"

using namespace switchyard;
using testing::apart;
using testing::Training;
using testing::trajectory;

namespace {

/// torch.optim.SGD in float64 (the buffer starts as the gradient itself), with decoupled decay.
at::Tensor reference(at::IntArrayRef shape, int steps, double lr, double momentum, double dampening, bool nesterov,
                     double weight_decay) {
  auto p = testing::first_param(shape);
  at::Tensor buffer;
  for (int t = 1; t <= steps; ++t) {
    const auto g = testing::gradient_at(t, shape);
    auto u = g;
    if (momentum != 0) {
      buffer = t == 1 ? g.clone() : momentum * buffer + (1 - dampening) * g;
      u = nesterov ? g + momentum * buffer : buffer;
    }
    p = p * (1 - lr * weight_decay) - lr * u;
  }
  return p;
}

at::Tensor ours(at::IntArrayRef shape, int steps, double lr, double momentum, double dampening, bool nesterov,
                double weight_decay, at::ScalarType dtype) {
  Training training{"sgd"};
  training.lr = lr;
  training.steps = steps;
  training.options = {
      {"momentum", momentum}, {"dampening", dampening}, {"nesterov", nesterov}, {"weight_decay", weight_decay}};
  return trajectory(training, shape, dtype).back();
}

}  // namespace

TEST_CASE("sgd: torch's semantics with every option") {
  struct Variant {
    double momentum, dampening;
    bool nesterov;
    double weight_decay;
  };
  for (const auto& v : {Variant{0, 0, false, 0}, Variant{0, 0, false, 0.1}, Variant{0.9, 0, false, 0},
                        Variant{0.9, 0.3, false, 0.1}, Variant{0.9, 0, true, 0.1}}) {
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{}, {3}, {5, 7}, {2, 3, 4}}) {
      const auto expected = reference(shape, 50, 0.05, v.momentum, v.dampening, v.nesterov, v.weight_decay);
      INFO("momentum ", v.momentum, ", dampening ", v.dampening, ", nesterov ", v.nesterov, ", dimensions ",
           shape.size());
      CHECK(apart(ours(shape, 50, 0.05, v.momentum, v.dampening, v.nesterov, v.weight_decay, at::kDouble), expected) <=
            1e-13);  // 50 steps of rounding
      CHECK(apart(ours(shape, 50, 0.05, v.momentum, v.dampening, v.nesterov, v.weight_decay, at::kFloat), expected) <=
            1e-5);
    }
  }
}

TEST_CASE("sgd: powers of two are exact, so momentum 0.5 with twice the rate starts as twice the step") {
  const testing::Threads one(1);
  const auto registry = builtin_registry();
  const auto train = [&](double lr, double momentum) {
    const auto p = at::tensor({1.0, -3.0, 8.0}, at::kFloat).set_requires_grad(true);
    ComposedOptimizer optimizer(
        {{.id = "g", .plugin = "sgd", .parameters = {"p"}, .options = {{"momentum", momentum}}}}, lr, {{"p", p}},
        registry);
    for (const double scale : {1.0, 0.0, 0.0}) {
      p.mutable_grad() = at::tensor({1.0, 2.0, -4.0}, at::kFloat) * scale;
      optimizer.step();
    }
    return p.detach();
  };
  // g, then mu g, then mu^2 g.
  CHECK(testing::same_bits(train(0.5, 0.5), at::tensor({1.0 - 0.875, -3.0 - 1.75, 8.0 + 3.5}, at::kFloat)));
  CHECK(testing::same_bits(train(0.5, 0.0), at::tensor({0.5, -4.0, 10.0}, at::kFloat)));
}

TEST_CASE("sgd: half-precision parameters move by their master, not by their own rounding") {
  const testing::Threads one(1);
  const auto registry = builtin_registry();
  const auto p = at::ones({4}, at::kBFloat16).set_requires_grad(true);
  ComposedOptimizer optimizer({{.id = "g", .plugin = "sgd", .parameters = {"p"}}}, 1.0 / 1024, {{"p", p}}, registry);
  for (int step = 0; step < 64; ++step) {
    p.mutable_grad() = at::ones({4}, at::kBFloat16);
    optimizer.step();
  }
  // Each step is a quarter of bfloat16's spacing below 1: without a master nothing would ever move.
  CHECK(testing::same_bits(p.detach(), at::full({4}, 1.0 - 64.0 / 1024, at::kBFloat16)));
}
