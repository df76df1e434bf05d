#pragma once
/// Encoded state: one byte an element and one scale a chunk.

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace switchyard::kernels {

inline constexpr std::int64_t kMaxCodecChunk = 4096;

/// x_i = scale (code_i - 128) / 127.
template <class C>
void decode_absmax(const std::uint8_t* codes, float scale, C* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = static_cast<C>(scale * (static_cast<float>(codes[i]) - 128.0F) / 127.0F);
}

/// code_i = 128 + round(x_i / scale * 127) with scale the largest magnitude; 128 where it is 0. A NaN makes the scale
/// NaN, so that it is not lost. Computed in float32 whatever C is. Returns the scale.
template <class C>
float encode_absmax(const C* x, std::uint8_t* codes, std::int64_t n) {
  float scale = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float magnitude = std::abs(static_cast<float>(x[i]));
    scale = magnitude <= scale ? scale : magnitude;  // a NaN is not <=, and nothing is <= a NaN
  }
  const bool plain = scale > 0 && std::isfinite(scale);
  for (std::int64_t i = 0; i < n; ++i)
    codes[i] = static_cast<std::uint8_t>(plain ? 128 + std::lround(static_cast<float>(x[i]) / scale * 127.0F) : 128);
  return scale;
}

}  // namespace switchyard::kernels
