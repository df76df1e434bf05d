#include "kernels/exact_sum.h"

#include "tests/kernels/values.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <xmmintrin.h>

using namespace switchyard::kernels;
using namespace switchyard::testing;

namespace {

/// An independent oracle: one big binary integer in units of 2^-2148, a bit a byte, with schoolbook carries, and its
/// own rounding. Slow and obvious; takes floats and doubles through std::frexp.
class BigSum {
 public:
  void add_square(double x) {
    int exponent = 0;
    const double fraction = std::frexp(std::abs(x), &exponent);  // x = fraction 2^exponent
    const auto m = static_cast<std::uint64_t>(std::ldexp(fraction, 53));
    const std::uint64_t low = m & 0x7ffffff, high = m >> 27;  // 27 + 26 bits, so that no product overflows
    add(low * low, 2 * (exponent - 53));
    add(2 * low * high, 2 * (exponent - 53) + 27);
    add(high * high, 2 * (exponent - 53) + 54);
  }
  [[nodiscard]] double sum() const { return rounded(-1074); }
  [[nodiscard]] double norm() const {
    // The root of the sum rounded to 53 bits at a scale where nothing over- or underflows.
    const int top = highest();
    if (top < 0) return 0;
    const int shift = ((top - 2148) / 2) * 2;
    return std::ldexp(std::sqrt(scaled(-1 << 20, -shift)), shift / 2);
  }

 private:
  void add(std::uint64_t value, int exponent) {
    int position = exponent + 2148;
    while (position < 0) {  // trailing zeros of a denormal's square
      value >>= 1;
      ++position;
    }
    int carry = 0;
    for (; value != 0 || carry != 0; value >>= 1, ++position) {
      const int bit = bits_[static_cast<std::size_t>(position)] + static_cast<int>(value & 1) + carry;
      bits_[static_cast<std::size_t>(position)] = static_cast<char>(bit & 1);
      carry = bit >> 1;
    }
  }
  [[nodiscard]] int highest() const {
    for (int k = static_cast<int>(bits_.size()) - 1; k >= 0; --k) {
      if (bits_[static_cast<std::size_t>(k)] != 0) return k;
    }
    return -1;
  }
  [[nodiscard]] double rounded(int lowest) const { return scaled(lowest, 0); }
  /// The sum times 2^shift, kept to 53 bits and to multiples of 2^lowest (before the shift).
  [[nodiscard]] double scaled(int lowest, int shift) const {
    const int top = highest();
    if (top < 0) return 0;
    const int cut = std::max({top - 52, lowest + 2148, 0});
    double value = 0;
    for (int k = top; k >= cut; --k) value = 2 * value + bits_[static_cast<std::size_t>(k)];
    if (cut > 0 && bits_[static_cast<std::size_t>(cut - 1)] != 0) {
      const bool more = std::any_of(bits_.begin(), bits_.begin() + cut - 1, [](char b) { return b != 0; });
      if (more || std::fmod(value, 2) != 0) value += 1;
    }
    return std::ldexp(value, cut - 2148 + shift);
  }
  std::vector<char> bits_ = std::vector<char>(4400);
};

struct Family {
  std::string name;
  std::function<float(std::mt19937_64&)> draw;
};

float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }
float finite_bits(std::mt19937_64& r) {
  const auto bits = static_cast<std::uint32_t>(r());
  return from_bits((bits & 0x7f800000U) == 0x7f800000U ? bits & 0xff7fffffU : bits);
}

std::vector<Family> families() {
  const auto normal = [](std::mt19937_64& r) { return std::normal_distribution<float>()(r); };
  return {
      {"gaussian", normal},
      {"gaussian 1e-30", [=](std::mt19937_64& r) { return 1e-30F * normal(r); }},
      {"cauchy", [](std::mt19937_64& r) { return std::cauchy_distribution<float>()(r); }},
      {"denormal", [](std::mt19937_64& r) { return from_bits(static_cast<std::uint32_t>(r()) & 0x807fffffU); }},
      {"around the smallest normal",
       [](std::mt19937_64& r) { return from_bits(0x00700000U + static_cast<std::uint32_t>(r() % 0x00800000U)); }},
      {"huge",
       [](std::mt19937_64& r) {
         return (r() % 2 == 0 ? 1.0F : -1.0F) * 3e38F * std::uniform_real_distribution<float>(0.9F, 1.0F)(r);
       }},
      {"random bits", finite_bits},
      {"zeros", [](std::mt19937_64& r) { return r() % 2 == 0 ? 0.0F : -0.0F; }},
      {"sparse", [=](std::mt19937_64& r) { return r() % 50 == 0 ? normal(r) : 0.0F; }},
      {"all ones in the mantissa",
       [](std::mt19937_64& r) { return from_bits(0x3fffffffU + (static_cast<std::uint32_t>(r() % 2) << 23)); }},
      {"powers of two", [](std::mt19937_64& r) { return std::ldexp(1.0F, static_cast<int>(r() % 60) - 30); }},
      {"range of exactly 21 to 23 exponents",
       [](std::mt19937_64& r) {
         return std::ldexp(1.9999999F, static_cast<int>(r() % 3) == 0 ? 0 : -21 - static_cast<int>(r() % 3));
       }},
      {"one outlier", [=](std::mt19937_64& r) { return r() % 1500 == 0 ? 1e30F : normal(r); }},
      {"growing",
       [=](std::mt19937_64& r) {
         static thread_local int k = 0;
         return std::ldexp(normal(r), (++k / 2048) % 200 - 100);
       }},
      {"some inf and nan",
       [=](std::mt19937_64& r) { return r() % 900 == 0   ? INFINITY
                                        : r() % 900 == 0 ? NAN
                                                         : normal(r); }},
  };
}

constexpr ExactPath kPaths[] = {ExactPath::automatic, ExactPath::scalar, ExactPath::wide4, ExactPath::wide8_generic,
                                ExactPath::avx512};

ExactSum sum_of(const std::vector<float>& x, ExactPath path = ExactPath::scalar) {
  ExactSum sum;
  add_squares(x.data(), static_cast<std::int64_t>(x.size()), sum, path);
  return sum;
}

}  // namespace

TEST_CASE("exact sum: every path gives the same limbs on every family and size") {
  auto random = random_engine(20);
  int paths_run = 0;
  for (const Family& family : families()) {
    CAPTURE(family.name);
    for (const std::size_t n : {0UL, 1UL, 15UL, 16UL, 17UL, 2047UL, 2048UL, 2049UL, 20000UL}) {
      std::vector<float> x(n);
      for (float& value : x) value = family.draw(random);
      const ExactSum expected = sum_of(x);
      for (const ExactPath path : kPaths) {
        if (!exact_path_available(path)) continue;
        ++paths_run;
        CAPTURE(std::string(exact_path_name(path)));
        CHECK(sum_of(x, path) == expected);
      }
    }
  }
  CHECK(paths_run >= 2 * 9 * 15);
}

TEST_CASE("exact sum: order, cuts and merges change no bit") {
  auto random = random_engine(21);
  for (const Family& family : families()) {
    CAPTURE(family.name);
    std::vector<float> x(9001);
    for (float& value : x) value = family.draw(random);
    const ExactSum expected = sum_of(x);
    for (int trial = 0; trial < 6; ++trial) {
      std::shuffle(x.begin(), x.end(), random);
      ExactSum total;
      for (std::size_t begin = 0; begin < x.size();) {
        const std::size_t length = std::min<std::size_t>(x.size() - begin, 1 + random() % 4000);
        ExactSum part;
        const ExactPath path = kPaths[random() % 5];
        add_squares(x.data() + begin, static_cast<std::int64_t>(length), part,
                    exact_path_available(path) ? path : ExactPath::scalar);
        // Ranks merge raw int64 words.
        for (int w = 0; w < ExactSum::kWords; ++w) total.words()[w] += part.words()[w];
        begin += length;
      }
      total.normalize();
      CHECK(total == expected);
    }
  }
}

TEST_CASE("exact sum: sum and norm are rounded once, as the big-integer oracle says") {
  auto random = random_engine(22);
  for (const Family& family : families()) {
    if (family.name == "some inf and nan") continue;
    CAPTURE(family.name);
    for (int trial = 0; trial < 10; ++trial) {
      std::vector<float> x(1 + random() % 300);
      BigSum oracle;
      for (float& value : x) oracle.add_square(value = family.draw(random));
      const ExactSum sum = sum_of(x, ExactPath::automatic);
      CHECK(sum.sum() == oracle.sum());
      CHECK(sum.norm() == oracle.norm());
      CHECK(sum.norm() == std::sqrt(sum.sum()));  // no float square over- or underflows a double
    }
  }
}

TEST_CASE("exact sum: ties go to even and a single far bit breaks them") {
  // 2^27 squared is 2^54: of the next bits only 2 and above are kept, so 1 is a tie.
  ExactSum sum = sum_of({0x1p27F, 1.0F, 1.0F});
  CHECK(sum.sum() == 0x1p54);
  sum += sum_of({0x1p-140F});
  CHECK(sum.sum() == 0x1p54 + 4);
  CHECK(sum_of({0x1p27F, 2.0F, 1.0F, 1.0F}).sum() == 0x1p54 + 8);  // an odd neighbour: up
}

TEST_CASE("exact sum: {1, 2 x 2^-27, 8 x 2^-54}, where double-double depends on the order") {
  std::vector<float> x{1.0F};
  for (int i = 0; i < 2; ++i) x.push_back(0x1p-27F);
  for (int i = 0; i < 8; ++i) x.push_back(0x1p-54F);
  const double forward = sum_of(x, ExactPath::automatic).sum();
  std::reverse(x.begin(), x.end());
  CHECK(sum_of(x, ExactPath::automatic).sum() == forward);
}

TEST_CASE("exact sum: infinities and NaNs are counted, the rest is still summed") {
  std::vector<float> x(5000, 2.0F);
  x[17] = INFINITY;
  x[4999] = -INFINITY;
  for (const ExactPath path : kPaths) {
    if (!exact_path_available(path)) continue;
    const ExactSum sum = sum_of(x, path);
    CHECK(sum.n_inf == 2);
    CHECK(sum.n_nan == 0);
    CHECK(sum.nonfinite());
    CHECK(sum.norm() == INFINITY);
    x[3] = NAN;
    CHECK(std::isnan(sum_of(x, path).norm()));
    CHECK(sum_of(x, path).n_nan == 1);
    x[3] = 2.0F;
  }
  ExactSum finite = sum_of(x);
  finite.n_inf = 0;
  CHECK(finite.sum() == 4.0 * 4998);
  CHECK_FALSE(ExactSum{}.nonfinite());
  CHECK(ExactSum{}.norm() == 0.0);
}

TEST_CASE("exact sum: denormals count although the caller's thread reads them as zero") {
  const std::vector<float> x(3000, 1e-44F);
  const ExactSum expected = sum_of(x);
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040U);
  std::vector<ExactSum> sums;
  for (const ExactPath path : kPaths) {
    if (exact_path_available(path)) sums.push_back(sum_of(x, path));
  }
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  for (const ExactSum& sum : sums) CHECK(sum == expected);
  CHECK((after & 0x8040U) == 0x8040U);  // and the caller's setting is left alone
  CHECK(expected.sum() > 0);
}

TEST_CASE("exact sum: tensors of any layout, half dtypes and threads") {
  auto random = random_engine(23);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const at::Tensor t = gaussian({301, 700}, random, type);
    const at::Tensor flat = t.to(at::kFloat).flatten();
    ExactSum expected;
    add_squares(flat.const_data_ptr<float>(), flat.numel(), expected, ExactPath::scalar);
    for (const int threads : {1, 2, 3}) {
      const Threads limit(threads);
      for (const at::Tensor& view :
           {t, t.t(), at::stack({t, t}, -1).select(-1, 0), t.contiguous().view({7, 43, 700}).permute({2, 0, 1})}) {
        ExactSum sum;
        add_squares(view, sum);
        CHECK(sum == expected);
      }
    }
  }
  ExactSum empty;
  add_squares(at::empty({0, 3}), empty);
  CHECK(empty == ExactSum{});
}

TEST_CASE("exact sum, float64: order independent, as the oracle says, and as wide as the format") {
  auto random = random_engine(24);
  const std::vector<std::function<double()>> draws{
      [&] { return std::normal_distribution<double>()(random); },
      [&] { return std::bit_cast<double>(random() & 0xffefffffffffffffU); },  // any finite number
      [&] { return std::bit_cast<double>(random() & 0x800fffffffffffffU); },  // denormals
      [&] { return 1.7e308 * std::uniform_real_distribution<double>(0.1, 1.0)(random); },
  };
  for (const auto& draw : draws) {
    for (const std::size_t n : {1UL, 100UL, 6000UL}) {
      std::vector<double> x(n);
      BigSum oracle;
      for (double& value : x) oracle.add_square(value = draw());
      ExactSum64 sum;
      add_squares(x.data(), static_cast<std::int64_t>(n), sum);
      CHECK(sum.sum() == oracle.sum());
      CHECK(sum.norm() == oracle.norm());
      std::shuffle(x.begin(), x.end(), random);
      ExactSum64 parts;
      for (std::size_t begin = 0; begin < n;) {
        const std::size_t length = std::min<std::size_t>(n - begin, 1 + random() % 5000);
        add_squares(x.data() + begin, static_cast<std::int64_t>(length), parts);
        begin += length;
      }
      CHECK(parts == sum);
    }
  }
}

TEST_CASE("exact sum, float64: the norm overflows only if it exceeds the largest double") {
  const double largest = std::numeric_limits<double>::max();
  const auto norm = [](const std::vector<double>& x) {
    ExactSum64 sum;
    add_squares(x.data(), static_cast<std::int64_t>(x.size()), sum);
    return sum.norm();
  };
  CHECK(norm({largest}) == largest);
  CHECK(norm({largest, largest}) == INFINITY);
  CHECK(norm({3e307, 4e307}) == doctest::Approx(5e307));
  CHECK(norm({5e-324}) == 5e-324);
  CHECK(norm({INFINITY}) == INFINITY);
  CHECK(std::isnan(norm({INFINITY, NAN})));
}

TEST_CASE("exact sum: float32 and float64 join exactly") {
  auto random = random_engine(25);
  for (const Family& family : families()) {
    CAPTURE(family.name);
    std::vector<float> narrow(3000);
    std::vector<double> wide(200);
    for (float& value : narrow) value = family.draw(random);
    for (double& value : wide) value = std::normal_distribution<double>()(random);
    ExactSum64 joint;
    add_squares(wide.data(), 200, joint);
    const ExactSum64 wide_only = joint;
    const std::vector<double> widened(narrow.begin(), narrow.end());
    add_squares(widened.data(), 3000, joint);
    ExactSum64 merged = wide_only;
    add(merged, sum_of(narrow));
    CHECK(merged == joint);
    if (!joint.nonfinite()) CHECK(joint_norm(sum_of(narrow), wide_only) == joint.norm());
  }
}

TEST_CASE("exact sum: wrong dtypes and unavailable paths are refused") {
  ExactSum narrow;
  ExactSum64 wide;
  CHECK_THROWS_AS(add_squares(at::zeros({2}, at::kDouble), narrow), std::invalid_argument);
  CHECK_THROWS_AS(add_squares(at::zeros({2}), wide), std::invalid_argument);
  CHECK_THROWS_AS(add_squares(at::zeros({2}, at::kInt), narrow), std::invalid_argument);
  CHECK_THROWS_AS(add_squares(at::Tensor(), narrow), std::invalid_argument);
  const float one = 1.0F;
  for (const ExactPath path : kPaths) {
    if (!exact_path_available(path)) CHECK_THROWS_AS(add_squares(&one, 1, narrow, path), std::invalid_argument);
  }
}
