#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace torch::nn {
class Module;
}

namespace train_gpt {

constexpr std::int64_t vocabulary = 256;  ///< symbols are bytes

struct GptShape {
  std::int64_t layers = 4;
  std::int64_t width = 128;
  std::int64_t heads = 4;
  std::int64_t context = 128;
};

/// A byte-level GPT: learned positions, blocks x + attention(norm(x)) and x + mlp(norm(x)) with a tanh-GELU of 4 x
/// width, a final norm, and a head that is the token embedding.
///
/// Parameters (d = width): token.weight [256, d] = head.weight (one tensor, two names), position.weight [context, d],
/// and of each blocks.i: attention.qkv.weight [3d, d] (rows q | k | v), attention.out.weight [d, d], mlp.up.weight [4d,
/// d], mlp.down.weight [d, 4d], norm1 and norm2 weight and bias [d]; norm.weight, norm.bias [d]. Linear layers have no
/// bias. Matrices start normal with deviation 0.02, those that write into the residual stream with 0.02 / sqrt(2
/// layers); the numbers depend on `seed` alone. fp32, on the CPU until `to`.
class Gpt {
 public:
  Gpt(const GptShape& shape, std::uint64_t seed);
  ~Gpt();
  Gpt(Gpt&&) noexcept;

  const GptShape& shape() const { return shape_; }
  const torch::nn::Module& module() const;
  void to(at::Device device);
  at::Device device() const;

  /// bytes: int64 [B, T] with T <= context. Returns logits [B, T, 256].
  at::Tensor logits(const at::Tensor& bytes) const;
  /// Mean cross entropy in nats; inputs and targets: int64 [B, T].
  at::Tensor loss(const at::Tensor& inputs, const at::Tensor& targets) const;

 private:
  struct Net;
  GptShape shape_;
  std::shared_ptr<Net> net_;
};

}  // namespace train_gpt
