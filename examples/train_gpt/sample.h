#pragma once

#include <cstdint>
#include <string>

namespace train_gpt {

class Gpt;

/// `bytes` bytes after `prompt`, each drawn from the model's distribution sharpened by `temperature`. Depends on the
/// model, the prompt and the seed alone. Each byte costs one pass over at most `context` bytes.
std::string sample(const Gpt& model, const std::string& prompt, std::int64_t bytes, std::uint64_t seed,
                   double temperature = 0.8);

/// What a terminal can show: printable ASCII, newlines and tabs; every other byte becomes '?'.
std::string printable(const std::string& text);

}  // namespace train_gpt
