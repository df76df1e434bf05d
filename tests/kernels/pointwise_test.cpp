#include "kernels/pointwise.h"

#include "tests/kernels/values.h"

#include <atomic>
#include <cmath>
#include <stdexcept>
#include <vector>

using namespace switchyard::kernels;
using namespace switchyard::testing;

namespace {

/// A body that rounds several times, so that a wrong order or a contraction would show.
void mix(const at::Tensor& a, const at::Tensor& b, const at::Tensor& state, const at::Tensor& result) {
  pointwise(compute_type(state), {in(a), in(b), inout(state), out(result)}, [](auto x, std::int64_t n) {
    using C = typename decltype(x)::scalar;
    const C third = static_cast<C>(1.0 / 3.0);
    for (std::int64_t i = 0; i < n; ++i) {
      x[2][i] = third * x[2][i] + x[0][i];
      x[3][i] = x[2][i] / (std::abs(x[1][i]) + third);
    }
  });
}

/// The same values in other memory: a permuted, padded, misaligned or sliced copy.
at::Tensor relaid(const at::Tensor& t, int how) {
  switch (how) {
    case 0:
      return t.clone();
    case 1:
      return t.transpose(0, -1).clone(at::MemoryFormat::Contiguous).transpose(0, -1);
    case 2:
      return at::empty({t.numel() + 1}, t.options()).narrow(0, 1, t.numel()).view(t.sizes()).copy_(t);
    case 3: {
      std::vector<std::int64_t> wide(t.sizes().begin(), t.sizes().end());
      wide.back() = 2 * wide.back() + 3;
      return at::empty(wide, t.options()).slice(-1, 1, 1 + 2 * t.size(-1), 2).copy_(t);
    }
    default:
      return at::stack({t, t}, 0).select(0, 1);
  }
}

}  // namespace

TEST_CASE("pointwise: bits depend on no layout of any operand") {
  auto random = random_engine(1);
  for (const auto& sizes :
       std::vector<std::vector<std::int64_t>>{{1}, {7}, {1024}, {5, 7}, {3, 1, 11}, {70, 33}, {4, 300, 5}, {1, 2049}}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
      const at::Tensor a = gaussian(sizes, random, type), b = gaussian(sizes, random),
                       state = gaussian(sizes, random, type);
      const at::Tensor expected_state = state.clone(), expected = at::empty(sizes, at::kFloat);
      mix(a, b, expected_state, expected);
      for (int how = 0; how < 5; ++how) {
        for (int other = 0; other < 5; ++other) {
          const at::Tensor s = relaid(state, how), r = relaid(at::zeros(sizes, at::kFloat), other);
          CAPTURE(sizes.size());
          CAPTURE(sizes[0]);
          CAPTURE(how);
          CAPTURE(other);
          CAPTURE(static_cast<int>(type));
          mix(relaid(a, other), relaid(b, how), s, r);
          CHECK(same_bits(s, expected_state));
          CHECK(same_bits(r, expected));
        }
      }
    }
  }
}

TEST_CASE("pointwise: equals ATen's own arithmetic, element by element") {
  auto random = random_engine(2);
  const at::Tensor a = gaussian({33, 65}, random), b = gaussian({33, 65}, random);
  const at::Tensor state = gaussian({33, 65}, random), result = at::empty({33, 65});
  const at::Tensor next = at::mul(state, 1.0F / 3.0F).add(a);
  const at::Tensor quotient = next / (b.abs() + 1.0F / 3.0F);
  mix(a, b, state, result);
  CHECK(same_bits(state, next));
  CHECK(same_bits(result, quotient));
}

TEST_CASE("pointwise: any cut and any number of threads give the same bits") {
  auto random = random_engine(3);
  const std::int64_t n = 100003;
  const at::Tensor a = gaussian({n}, random), b = gaussian({n}, random), start = gaussian({n}, random);
  const at::Tensor state = start.clone(), result = at::empty({n});
  mix(a, b, state, result);
  for (const int threads : {1, 2, 3}) {
    const Threads limit(threads);
    const at::Tensor s = start.clone(), r = at::empty({n});
    for (std::int64_t begin = 0; begin < n;) {
      const std::int64_t length = std::min<std::int64_t>(n - begin, 1 + static_cast<std::int64_t>(random() % 40000));
      const auto part = [&](const at::Tensor& t) { return t.narrow(0, begin, length); };
      mix(part(a), part(b), part(s), part(r));
      begin += length;
    }
    CHECK(same_bits(s, state));
    CHECK(same_bits(r, result));
  }
}

TEST_CASE("pointwise: every element is visited once, expanded inputs included") {
  const at::Tensor row = at::arange(5, at::kFloat).unsqueeze(0).expand({300, 5});
  const at::Tensor count = at::zeros({300, 5});
  std::atomic<std::int64_t> seen{0};
  pointwise(at::kFloat, {in(row), inout(count)}, [&](auto x, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) x[1][i] += 1 + x[0][i];
    seen += n;
    CHECK(n <= kChunkElements);
  });
  CHECK(seen == 1500);
  CHECK(at::equal(count, row + 1));
}

TEST_CASE("pointwise: double work is rounded to the half types once") {
  // Just above the middle of two bfloat16 values: through float the excess would be lost and the tie go to even.
  const at::Tensor wide = at::scalar_tensor(1.0 + 0x1p-8 + 0x1p-40, at::kDouble);
  const at::Tensor narrow = at::empty({}, at::kBFloat16), half = at::empty({}, at::kHalf);
  const auto copy = [](auto x, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) x[1][i] = x[0][i];
  };
  pointwise(at::kDouble, {in(wide), out(narrow)}, copy);
  CHECK(narrow.item<double>() == 1.0 + 0x1p-7);
  pointwise(at::kDouble, {in(at::scalar_tensor(1.0 + 0x1p-11 + 0x1p-40, at::kDouble)), out(half)}, copy);
  CHECK(half.item<double>() == 1.0 + 0x1p-10);
  pointwise(at::kDouble, {in(at::scalar_tensor(-1.0 - 0x1p-8 + 0x1p-40, at::kDouble)), out(narrow)}, copy);
  CHECK(narrow.item<double>() == -1.0);
  pointwise(at::kDouble, {in(at::scalar_tensor(INFINITY, at::kDouble)), out(narrow)}, copy);
  CHECK(narrow.item<double>() == INFINITY);
}

TEST_CASE("pointwise: misuse is refused before anything is written") {
  const at::Tensor a = at::zeros({3}), untouched = at::ones({3});
  const auto body = [](auto x, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) x[0][i] = 7;
  };
  CHECK_THROWS_AS(pointwise(at::kFloat, {out(untouched), in(at::zeros({4}))}, body), std::invalid_argument);
  CHECK_THROWS_AS(pointwise(at::kFloat, {out(untouched), in(at::zeros({3, 1}))}, body), std::invalid_argument);
  CHECK_THROWS_AS(pointwise(at::kFloat, {out(untouched), in(at::Tensor())}, body), std::invalid_argument);
  CHECK_THROWS_AS(pointwise(at::kFloat, {out(untouched), in(at::zeros({3}, at::kInt))}, body), std::invalid_argument);
  CHECK_THROWS_AS(pointwise(at::kFloat, {out(at::zeros({1}).expand({3}))}, body), std::invalid_argument);
  CHECK_THROWS_AS(pointwise(at::kHalf, {out(untouched)}, body), std::invalid_argument);
  CHECK_THROWS_AS(pointwise(at::kFloat, {}, body), std::invalid_argument);
  CHECK(at::equal(untouched, at::ones({3})));
}

TEST_CASE("pointwise: zero elements are legal and scalars are one element") {
  int calls = 0;
  const auto body = [&](auto x, std::int64_t n) {
    ++calls;
    for (std::int64_t i = 0; i < n; ++i) x[0][i] += 1;
  };
  pointwise(at::kFloat, {inout(at::zeros({0, 4}))}, body);
  CHECK(calls == 0);
  const at::Tensor scalar = at::zeros({});
  pointwise(at::kFloat, {inout(scalar)}, body);
  CHECK(calls == 1);
  CHECK(scalar.item<float>() == 1);
}

TEST_CASE("pointwise: what a body throws reaches the caller") {
  CHECK_THROWS_AS(
      pointwise(at::kFloat, {in(at::zeros({100000}))}, [](auto, std::int64_t) { throw std::runtime_error("body"); }),
      std::runtime_error);
}
