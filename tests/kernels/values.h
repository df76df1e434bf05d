#pragma once
/// Test values: the portable generator of reference/reliability.md 3b, and seeds that a failing run can be repeated
/// with.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <random>

namespace switchyard::testing {

/// T(seed; sizes): splitmix64, uniform in [-1, 1), float64, row-major.
inline at::Tensor portable(std::uint64_t seed, at::IntArrayRef sizes) {
  at::Tensor t = at::empty(sizes, at::kDouble);
  double* values = t.mutable_data_ptr<double>();
  std::uint64_t state = seed;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    values[i] = static_cast<double>(z >> 11) * 0x1p-53 * 2 - 1;
  }
  return t;
}

/// The seed of this run plus `offset`; main prints it.
inline std::mt19937_64 random_engine(std::uint64_t offset) {
  return std::mt19937_64(doctest::getContextOptions()->rand_seed + offset);
}

inline at::Tensor gaussian(at::IntArrayRef sizes, std::mt19937_64& random, at::ScalarType type = at::kFloat) {
  at::Tensor t = at::empty(sizes, at::kDouble);
  std::normal_distribution<double> gauss;
  double* values = t.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < t.numel(); ++i) values[i] = gauss(random);
  return t.to(type);
}

/// Equal shape, dtype and bytes; NaNs compare by their bits.
inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const at::Tensor x = a.contiguous();
  const at::Tensor y = b.contiguous();
  return x.numel() == 0 || std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

/// Restores the number of intra-op threads.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace switchyard::testing
