#pragma once

#include <cstdint>

namespace train_gpt {

/// One step of the splitmix64 generator (Steele, Lea, Flood 2014) as a hash.
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// 64 random bits that depend on their three coordinates alone: there is no generator state that a checkpoint would
/// have to keep.
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t a, std::uint64_t b) {
  return mix(mix(mix(seed) ^ a) ^ b);
}

}  // namespace train_gpt
