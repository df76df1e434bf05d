#include "sample.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "gpt.h"
#include "random.h"

namespace train_gpt {

std::string sample(const Gpt& model, const std::string& prompt, std::int64_t bytes, std::uint64_t seed,
                   double temperature) {
  const c10::NoGradGuard no_grad;
  std::string text = prompt.empty() ? "\n" : prompt;
  const auto start = text.size();
  for (std::int64_t i = 0; i < bytes; ++i) {
    const auto length = std::min<std::int64_t>(model.shape().context, static_cast<std::int64_t>(text.size()));
    auto window = at::empty({1, length}, at::kLong);
    std::transform(text.end() - length, text.end(), window.mutable_data_ptr<std::int64_t>(),
                   [](char c) { return static_cast<unsigned char>(c); });
    const auto last = model.logits(window.to(model.device())).select(1, length - 1).flatten();  // [256]
    const auto sums = at::softmax(last.to(at::kCPU, at::kDouble) / temperature, 0).cumsum(0);   // [256]
    const auto* begin = sums.const_data_ptr<double>();
    // 53 random bits make a uniform number in [0, 1); the last sum may be a rounding below 1.
    const double draw =
        static_cast<double>(random_bits(seed, static_cast<std::uint64_t>(i), ~std::uint64_t{0}) >> 11) * 0x1p-53;
    const auto chosen =
        std::min<std::int64_t>(std::upper_bound(begin, begin + vocabulary, draw) - begin, vocabulary - 1);
    text.push_back(static_cast<char>(chosen));
  }
  return text.substr(start);
}

std::string printable(const std::string& text) {
  auto out = text;
  for (auto& c : out) {
    if (c != '\n' && c != '\t' && (c < ' ' || c > '~')) c = '?';
  }
  return out;
}

}  // namespace train_gpt
