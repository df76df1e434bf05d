#include "gpt.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <cmath>

#include "core/error.h"

namespace train_gpt {

namespace nn = torch::nn;

namespace {

nn::Linear matrix(std::int64_t in, std::int64_t out) { return nn::Linear(nn::LinearOptions(in, out).bias(false)); }
nn::LayerNorm norm(std::int64_t width) { return nn::LayerNorm(nn::LayerNormOptions({width})); }

struct AttentionImpl : nn::Module {
  explicit AttentionImpl(const GptShape& shape) : heads(shape.heads) {
    qkv = register_module("qkv", matrix(shape.width, 3 * shape.width));
    out = register_module("out", matrix(shape.width, shape.width));
  }

  at::Tensor forward(const at::Tensor& x) {  // [B, T, d]
    const auto parts =
        qkv(x).unflatten(-1, {3, heads, x.size(2) / heads}).permute({2, 0, 3, 1, 4});  // [3, B, h, T, d/h]
    const auto mixed = at::scaled_dot_product_attention(parts[0], parts[1], parts[2], {}, 0.0, /*is_causal=*/true);
    return out(mixed.transpose(1, 2).flatten(2));  // [B, T, d]
  }

  std::int64_t heads;
  nn::Linear qkv = nullptr;
  nn::Linear out = nullptr;
};
TORCH_MODULE(Attention);

struct MlpImpl : nn::Module {
  explicit MlpImpl(std::int64_t width) {
    up = register_module("up", matrix(width, 4 * width));
    down = register_module("down", matrix(4 * width, width));
  }

  at::Tensor forward(const at::Tensor& x) { return down(at::gelu(up(x), "tanh")); }

  nn::Linear up = nullptr;
  nn::Linear down = nullptr;
};
TORCH_MODULE(Mlp);

struct BlockImpl : nn::Module {
  explicit BlockImpl(const GptShape& shape) {
    norm1 = register_module("norm1", norm(shape.width));
    attention = register_module("attention", Attention(shape));
    norm2 = register_module("norm2", norm(shape.width));
    mlp = register_module("mlp", Mlp(shape.width));
  }

  at::Tensor forward(const at::Tensor& x) {
    const auto mixed = x + attention(norm1(x));
    return mixed + mlp(norm2(mixed));
  }

  nn::LayerNorm norm1 = nullptr;
  Attention attention = nullptr;
  nn::LayerNorm norm2 = nullptr;
  Mlp mlp = nullptr;
};
TORCH_MODULE(Block);

/// Logits by a matrix that belongs to someone else. Assigning to the member of a registered nn::Linear would not tie
/// anything: the module would go on listing the tensor that it was built with.
struct HeadImpl : nn::Module {
  explicit HeadImpl(const at::Tensor& embedding) { weight = register_parameter("weight", embedding); }
  at::Tensor forward(const at::Tensor& x) { return at::linear(x, weight); }
  at::Tensor weight;
};
TORCH_MODULE(Head);

}  // namespace

struct Gpt::Net : nn::Module {
  explicit Net(const GptShape& shape) {
    token = register_module("token", nn::Embedding(vocabulary, shape.width));
    position = register_module("position", nn::Embedding(shape.context, shape.width));
    blocks = register_module("blocks", nn::ModuleList());
    for (std::int64_t i = 0; i < shape.layers; ++i) blocks->push_back(Block(shape));
    final_norm = register_module("norm", norm(shape.width));
    head = register_module("head", Head(token->weight));
  }

  nn::Embedding token = nullptr;
  nn::Embedding position = nullptr;
  nn::ModuleList blocks = nullptr;
  nn::LayerNorm final_norm = nullptr;
  Head head = nullptr;
};

Gpt::Gpt(const GptShape& shape, std::uint64_t seed) : shape_(shape) {
  if (shape.layers < 1 || shape.width < 1 || shape.heads < 1 || shape.context < 1 || shape.width % shape.heads != 0) {
    throw switchyard::OptimizerError(
        fmt::format("a GPT of {} layers, width {}, {} heads, context {}: each must be at least 1, and the "
                    "width a multiple of the heads",
                    shape.layers, shape.width, shape.heads, shape.context));
  }
  net_ = std::make_shared<Net>(shape);
  // A generator of our own: the modules' constructors draw from the global one, which these numbers replace.
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const c10::NoGradGuard no_grad;
  const auto start = [&](const at::Tensor& weight, double deviation) { weight.normal_(0, deviation, generator); };
  const double residual = 0.02 / std::sqrt(2.0 * static_cast<double>(shape.layers));
  start(net_->token->weight, 0.02);
  start(net_->position->weight, 0.02);
  for (const auto& module : *net_->blocks) {
    auto& block = *module->as<BlockImpl>();
    start(block.attention->qkv->weight, 0.02);
    start(block.attention->out->weight, residual);
    start(block.mlp->up->weight, 0.02);
    start(block.mlp->down->weight, residual);
  }
}

Gpt::~Gpt() = default;
Gpt::Gpt(Gpt&&) noexcept = default;

const nn::Module& Gpt::module() const { return *net_; }
void Gpt::to(at::Device device) { net_->to(device); }
at::Device Gpt::device() const { return net_->token->weight.device(); }

at::Tensor Gpt::logits(const at::Tensor& bytes) const {
  auto x = net_->token(bytes) + net_->position->weight.narrow(0, 0, bytes.size(1));  // [B, T, d]
  for (const auto& block : *net_->blocks) x = block->as<BlockImpl>()->forward(x);
  return net_->head(net_->final_norm(x));
}

at::Tensor Gpt::loss(const at::Tensor& inputs, const at::Tensor& targets) const {
  return at::cross_entropy_loss(logits(inputs).flatten(0, 1), targets.flatten());
}

}  // namespace train_gpt
