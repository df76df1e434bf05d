#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>

#include <cmath>

#include "tests/run/mixed_bench.h"

/// Parameters tied by storage that are different tensor objects: what C++ programs get from set_data.

using namespace switchyard;
using testing::same_bits;

namespace {

/// An embedding whose memory the head's weight shares, as two tensors with a gradient each.
struct TiedPair {
  at::Tensor embed = at::arange(12, at::kFloat).view({4, 3}).mul(0.1).set_requires_grad(true);
  at::Tensor head = at::zeros({4, 3}).set_requires_grad(true);
  std::vector<NamedTensor> tensors;

  TiedPair() {
    head.set_data(embed.data());
    for (const auto& [name, tensor] : {std::pair("embed.weight", embed), std::pair("head.weight", head)}) {
      NamedTensor named;
      named.name = name;
      named.tensor = tensor;
      tensors.push_back(named);
    }
  }
  ComposedOptimizer optimizer(const Registry& registry, RunOptions options = {}) const {
    return ComposedOptimizer({{.id = "g", .plugin = "sgd", .parameters = {"head.weight"}}}, 0.5, tensors, registry,
                             std::move(options));
  }
};

}  // namespace

TEST_CASE("aliases: the gradient of a tied parameter is the sum over its tensors") {
  const auto registry = builtin_registry();
  auto random = testing::random_engine(5);
  const auto g1 = testing::gaussian({4, 3}, random);
  const auto g2 = testing::gaussian({4, 3}, random);
  TiedPair tied;
  auto optimizer = tied.optimizer(registry);
  const auto before = tied.embed.detach().clone();
  tied.embed.mutable_grad() = g1.clone();
  tied.head.mutable_grad() = g2.clone();
  const auto result = optimizer.step();
  CHECK(result.grad_norm == doctest::Approx(g1.add(g2).norm().item<double>()).epsilon(1e-6));
  CHECK(same_bits(tied.embed.detach(), before.sub(g1.add(g2).mul(0.5))));
  CHECK(same_bits(tied.embed.grad(), g1));  // the caller's gradients stay
  CHECK(same_bits(tied.head.grad(), g2));

  // A gradient on either alone trains, wherever it lies.
  for (auto* one : {&tied.embed, &tied.head}) {
    optimizer.zero_grad();
    CHECK_FALSE(tied.embed.grad().defined());
    CHECK_FALSE(tied.head.grad().defined());
    const auto start = tied.embed.detach().clone();
    one->mutable_grad() = g1.clone();
    CHECK(optimizer.step().applied);
    CHECK(same_bits(tied.embed.detach(), start.sub(g1.mul(0.5))));
  }
}

TEST_CASE("aliases: a NaN in any of the gradients skips the step, and an unfit one is refused") {
  const auto registry = builtin_registry();
  TiedPair tied;
  auto optimizer = tied.optimizer(registry);
  tied.embed.mutable_grad() = at::ones({4, 3});
  tied.head.mutable_grad() = at::full({4, 3}, std::nan(""));
  const auto result = optimizer.step();
  CHECK_FALSE(result.applied);
  CHECK(result.nonfinite == std::vector<std::string>{"embed.weight"});
  tied.head.mutable_grad().reset();
  tied.head.set_data(tied.head.detach().clone());  // no longer tied
  const auto said = thrown_by<InvalidParameterError>([&] { optimizer.step(); });
  CHECK(said.find("`embed.weight`") != std::string::npos);
  CHECK(said.find("other memory") != std::string::npos);
}

TEST_CASE("aliases: a module whose head was tied by set_data trains as one whose head is the embedding") {
  const auto registry = builtin_registry();
  auto embedding = torch::nn::Embedding(6, 4);
  auto head = torch::nn::Linear(torch::nn::LinearOptions(4, 6).bias(false));
  head->weight.set_data(embedding->weight.data());
  const auto start = embedding->weight.detach().clone();
  std::vector<NamedTensor> tensors(2);
  tensors[0].name = "embed.weight";
  tensors[0].tensor = embedding->weight;
  tensors[1].name = "head.weight";
  tensors[1].tensor = head->weight;
  ComposedOptimizer optimizer({{.id = "g", .plugin = "sgd", .parameters = {"embed.weight"}}}, 0.1, tensors, registry);
  const auto ids = at::tensor({0, 3, 5}, at::kLong);
  head(embedding(ids)).square().sum().backward();
  optimizer.step();

  auto weight = start.clone().set_requires_grad(true);
  weight.index_select(0, ids).matmul(weight.t()).square().sum().backward();
  const auto expected = weight.detach().sub(weight.grad().mul(0.1));
  // The two orders of adding two gradients differ by a rounding.
  CHECK((embedding->weight.detach() - expected).abs().max().item<double>() <= 1e-5);
}
