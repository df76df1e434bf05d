#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <doctest/doctest.h>

#include "core/run/composed_optimizer.h"
#include "tests/kernels/values.h"

using namespace switchyard;

namespace {

struct TableImpl : torch::nn::Module {
  explicit TableImpl(const at::Tensor& given) { weight = register_parameter("weight", given); }
  at::Tensor weight;
};

/// A language model's skeleton: the embedding and the head hold one tensor, registered under both.
struct Model : torch::nn::Module {
  Model() {
    embed = register_module("embed", std::make_shared<TableImpl>(testing::portable(1, {7, 4}).to(at::kFloat)));
    body = register_module("body", torch::nn::Linear(4, 4));
    head = register_module("head", std::make_shared<TableImpl>(embed->weight));
    scale = register_parameter("scale", at::ones({4}));
    const c10::NoGradGuard no_grad;
    body->weight.copy_(testing::portable(2, {4, 4}));
    body->bias.zero_();
  }
  std::shared_ptr<TableImpl> embed;
  torch::nn::Linear body = nullptr;
  std::shared_ptr<TableImpl> head;
  at::Tensor scale;
};

}  // namespace

TEST_CASE("module tensors: every registered name, with the class of its module") {
  const Model model;
  const auto tensors = named_tensors(model);
  std::vector<std::string> names;
  std::vector<std::string> classes;
  for (const auto& named : tensors) {
    names.push_back(named.name);
    classes.push_back(named.module);
  }
  CHECK(names == std::vector<std::string>{"scale", "embed.weight", "body.weight", "body.bias", "head.weight"});
  CHECK(classes == std::vector<std::string>{"Model", "Table", "Linear", "Linear", "Table"});
  CHECK(tensors[1].tensor.is_same(tensors[4].tensor));
}

TEST_CASE("module tensors: a tied tensor is one parameter with two names, trained once") {
  Model model;
  const auto registry = builtin_registry();
  Diagnostics diagnostics;
  const auto table = table_from_tensors(named_tensors(model), diagnostics);
  CHECK_FALSE(diagnostics.has_errors());
  const auto plan =
      plan_from_groups({{.id = "matrices", .plugin = "muon", .parameters = {"body.weight"}},
                        {.id = "rest", .plugin = "sgd", .parameters = {"head.weight", "scale", "body.bias"}}},
                       0.5, table, registry, diagnostics);
  REQUIRE(plan);
  CHECK(plan->parameters.size() == 4);
  CHECK(plan->find("head.weight") == plan->find("embed.weight"));
  ComposedOptimizer optimizer(*plan, model, registry);
  const auto before = model.embed->weight.detach().clone();
  optimizer.step([&] {
    optimizer.zero_grad();
    auto loss = model.embed->weight.sum() + model.head->weight.sum() + model.body->forward(at::ones({1, 4})).sum() +
                model.scale.sum();
    loss.backward();
    return loss;
  });
  // The gradient of a tied tensor is the sum over its uses, and it is applied once.
  CHECK(testing::same_bits(model.embed->weight.detach(), before - 1.0));
  CHECK(optimizer.count("embed.weight") == 1);
  CHECK(optimizer.count("head.weight") == 1);
}

TEST_CASE("module tensors: undefined tensors and those out of reach are named") {
  Diagnostics diagnostics;
  table_from_tensors({{"good", at::ones({2})}, {"unset", at::Tensor()}, {"sparse", at::ones({2, 2}).to_sparse()}},
                     diagnostics);
  REQUIRE(diagnostics.items().size() == 2);
  CHECK(diagnostics.items()[0].code == "SWY-2110");
  CHECK(diagnostics.items()[0].subject == "unset");
  CHECK(diagnostics.items()[1].code == "SWY-2111");
  CHECK(diagnostics.items()[1].subject == "sparse");
}

TEST_CASE("module tensors: a module that was moved to another dtype and back is accepted by rebind") {
  Model model;
  const auto registry = builtin_registry();
  Diagnostics diagnostics;
  const auto plan = plan_from_groups(
      {{.id = "all", .plugin = "adamw", .parameters = {"head.weight", "scale", "body.bias", "body.weight"}}}, 0.1,
      table_from_tensors(named_tensors(model), diagnostics), registry, diagnostics);
  REQUIRE(plan);
  ComposedOptimizer optimizer(*plan, model, registry);
  for (const auto& named : named_tensors(model)) named.tensor.mutable_grad() = at::ones_like(named.tensor.detach());
  model.to(at::kDouble);
  CHECK_THROWS_AS(optimizer.step(), InvalidParameterError);
  CHECK_THROWS_AS(optimizer.rebind(model), InvalidParameterError);
  model.to(at::kFloat);
  optimizer.rebind(model);
  for (const auto& named : named_tensors(model)) named.tensor.mutable_grad() = at::ones_like(named.tensor.detach());
  CHECK(optimizer.step().applied);
}
