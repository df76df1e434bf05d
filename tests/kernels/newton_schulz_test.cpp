#include "kernels/newton_schulz.h"

#include "tests/kernels/polar.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

using namespace switchyard::kernels;
using namespace switchyard::testing;

namespace {

NewtonSchulz options(const char* name, at::ScalarType dtype, int steps = 0) {
  return {coefficient_set(name, steps), dtype, 1.0};
}

at::Tensor orthogonal(std::int64_t n, std::mt19937_64& random) {
  return std::get<0>(at::linalg_qr(gaussian({n, n}, random, at::kDouble)));
}

}  // namespace

TEST_CASE("newton-schulz: float64 equals U p(S) V^T for every set and orientation") {
  auto random = random_engine(40);
  for (const CoefficientSet& set : coefficient_sets()) {
    if (set.unsafe) continue;
    CAPTURE(std::string(set.name));
    const auto o = options(std::string(set.name).c_str(), at::kDouble);
    for (const auto& [m, n] : std::vector<std::pair<int, int>>{{1, 1}, {1, 9}, {9, 1}, {16, 16}, {17, 40}, {65, 33}}) {
      const at::Tensor x = gaussian({m, n}, random, at::kDouble);
      CHECK(relative_error(orthogonalize(x, o), polar_polynomial(x, o.rows)) < 1e-11);  // muon.md 10, 2
    }
  }
}

TEST_CASE("newton-schulz: lower precision stays within the known distance of float64") {
  auto random = random_engine(41);
  const at::Tensor x = gaussian({48, 96}, random);
  const auto exact = orthogonalize(x.to(at::kDouble), options("you5", at::kDouble));
  CHECK(relative_error(orthogonalize(x, options("you5", at::kFloat)), exact) < 1e-5);     // muon.md 10, 3
  CHECK(relative_error(orthogonalize(x, options("you5", at::kBFloat16)), exact) < 3e-2);  // muon.md 10, 3
  CHECK(relative_error(orthogonalize(x, options("you5", at::kBFloat16)), exact) > 1e-4);  // the option does something
  const auto wide = orthogonalize(x, options("you5", at::kDouble));
  CHECK((wide.scalar_type() == at::kFloat));
  CHECK(relative_error(wide, exact) < 1e-7);  // float32 rounding of the result
}

TEST_CASE("newton-schulz: golden values of NS5") {
  struct Golden {
    std::int64_t m, n;
    double sum, norm, first;
  };
  for (const Golden& g : {Golden{1, 1, 0.69643718235, 0.69643718235, 0.69643718235},
                          {1, 8, 1.30870430228, 0.696436481866, 0.0652368062688},
                          {8, 1, 1.30870430228, 0.696436481866, 0.0652368062688},
                          {5, 7, -0.344574805327, 2.10410054661, -0.0277673222258},
                          {7, 5, -0.439520767215, 2.13645706294, 0.0767393459825},
                          {16, 16, -1.99725086553, 3.62271042308, 0.00272768706736},
                          {33, 65, -8.96118125449, 4.78206905827, 0.0686723911693},
                          {64, 128, -26.1296156761, 6.91878500688, 0.0322819997485}}) {
    CAPTURE(g.m);
    CAPTURE(g.n);
    const at::Tensor x = portable(1, {g.m, g.n});
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      NewtonSchulz o = options("jordan", type, 5);
      const double norm = x.norm().item<double>();
      o.norm_multiplier = (norm + 1e-7) / norm;  // the golden run adds 1e-7 to the norm
      const at::Tensor y = orthogonalize(x.to(type), o).to(at::kDouble);
      const double tolerance = type == at::kDouble ? 1e-10 : 2e-5;  // the golden file's own
      CHECK(y.sum().item<double>() == doctest::Approx(g.sum).epsilon(tolerance));
      CHECK(y.norm().item<double>() == doctest::Approx(g.norm).epsilon(tolerance));
      // Cancellation: a single element's error is relative to the matrix, not to itself.
      CHECK(std::abs(y.flatten()[0].item<double>() - g.first) < tolerance);
    }
  }
}

TEST_CASE("newton-schulz: equivariant under orthogonal factors and transposition, blind to scale") {
  auto random = random_engine(42);
  const auto o = options("jordan", at::kDouble);
  const at::Tensor g = gaussian({12, 30}, random, at::kDouble), q = orthogonal(12, random), r = orthogonal(30, random);
  const at::Tensor y = orthogonalize(g, o);
  CHECK((orthogonalize(q.matmul(g).matmul(r), o) - q.matmul(y).matmul(r)).abs().max().item<double>() < 1e-10);  // O2
  CHECK(same_bits(orthogonalize(g.t(), o), y.t()));  // the same computation
  CHECK(same_bits(orthogonalize(-g, o), -y));
  for (const double c : {1e-6, 0.3, 1e6}) CHECK((orthogonalize(c * g, o) - y).abs().max().item<double>() < 1e-10);
}

TEST_CASE("newton-schulz: scaling by a power of two changes no bit, at any magnitude") {
  auto random = random_engine(43);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const at::ScalarType iteration : {at::kFloat, at::kBFloat16}) {
      const at::Tensor x = gaussian({9, 20}, random, type);
      const at::Tensor y = orthogonalize(x, options("you5", iteration));
      CHECK(y.abs().max().item<double>() > 0.1);
      const std::vector<int> powers =
          type == at::kFloat ? std::vector<int>{-100, -60, 1, 63, 120} : std::vector<int>{-1000, -200, 1, 300, 1015};
      for (const int k : powers) CHECK(same_bits(orthogonalize(x * std::ldexp(1.0, k), options("you5", iteration)), y));
    }
  }
  for (const double scale : {1e-30, 1e19}) {
    const at::Tensor x = gaussian({16, 32}, random) * scale;
    CHECK(relative_error(orthogonalize(x, options("jordan", at::kFloat)),
                         polar_polynomial(x, coefficient_set("jordan"))) < 1e-5);
  }
}

TEST_CASE("newton-schulz: float64 at the edges of its range neither overflows nor vanishes") {
  const at::Tensor ones = at::ones({2, 3}, at::kDouble);
  const at::Tensor expected = orthogonalize(ones, options("jordan", at::kDouble));
  for (const double scale : {5e-324, 0x1p-1060, 0x1p1023})
    CHECK(same_bits(orthogonalize(ones * scale, options("jordan", at::kDouble)), expected));
}

TEST_CASE("newton-schulz: a matrix's bits depend on no neighbour, place, stride or number of threads") {
  auto random = random_engine(44);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const auto& [m, n] : std::vector<std::pair<int, int>>{{33, 65}, {31, 77}, {65, 129}, {40, 24}}) {
      const at::Tensor batch = gaussian({5, m, n}, random, type);
      for (const at::ScalarType iteration : {type, at::kBFloat16}) {
        const auto o = options("jordan", iteration, 3);
        const at::Tensor together = orthogonalize(batch, o);
        for (const int threads : {1, 2, 4}) {
          const Threads limit(threads);
          for (std::int64_t k = 0; k < 5; ++k) CHECK(same_bits(orthogonalize(batch[k], o), together[k]));
        }
        const at::Tensor strided =
            at::empty({5, n, 2 * m + 1}, batch.options()).slice(2, 1, 2 * m + 1, 2).transpose(1, 2);
        CHECK(same_bits(orthogonalize(strided.copy_(batch), o), together));
        CHECK(same_bits(orthogonalize(batch.view({5, 1, m, n}), o).view({5, m, n}), together));
      }
    }
  }
}

TEST_CASE("newton-schulz: rank-deficient, zero, empty and non-finite matrices") {
  auto random = random_engine(45);
  const at::Tensor rank1 = gaussian({24, 1}, random, at::kDouble).matmul(gaussian({1, 40}, random, at::kDouble));
  for (const char* name : {"jordan", "you5", "mod", "polar_express", "tight5"}) {
    const auto o = options(name, at::kDouble);
    CHECK(relative_error(orthogonalize(rank1, o), polar_polynomial(rank1, o.rows)) < 1e-11);
    const double singular = evaluate(o.rows, 1.0);
    CHECK(orthogonalize(rank1, o).norm().item<double>() == doctest::Approx(singular).epsilon(1e-9));
  }
  CHECK(same_bits(orthogonalize(at::zeros({3, 5})), at::zeros({3, 5})));
  CHECK(orthogonalize(at::empty({0, 5})).sizes() == at::IntArrayRef{0, 5});
  CHECK(orthogonalize(at::empty({4, 3, 0})).sizes() == at::IntArrayRef{4, 3, 0});
  at::Tensor batch = gaussian({3, 6, 8}, random);
  const at::Tensor clean = orthogonalize(batch);
  for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    batch[1][2][3] = bad;
    const at::Tensor y = orthogonalize(batch);
    CHECK(y[1].isnan().all().item<bool>());
    CHECK(same_bits(y[0], clean[0]));
    CHECK(same_bits(y[2], clean[2]));
    CHECK(orthogonalize(batch[1].to(at::kDouble)).isnan().all().item<bool>());
  }
}

TEST_CASE("newton-schulz: the norm multiplier divides once more") {
  auto random = random_engine(46);
  const at::Tensor x = gaussian({10, 12}, random, at::kDouble);
  NewtonSchulz o = options("mod", at::kDouble);
  o.norm_multiplier = 1.02;
  CHECK(relative_error(orthogonalize(x, o), polar_polynomial(x, o.rows, 1.02)) < 1e-11);
  CHECK(relative_error(orthogonalize(x, o), polar_polynomial(x, o.rows)) > 1e-4);
}

TEST_CASE("newton-schulz: the input is not written and gradients are not recorded") {
  auto random = random_engine(47);
  at::Tensor x = gaussian({8, 8}, random);
  const at::Tensor before = x.clone();
  x.requires_grad_(true);
  CHECK_FALSE(orthogonalize(x).requires_grad());
  CHECK(same_bits(x.detach(), before));
}

TEST_CASE("newton-schulz: misuse is refused") {
  CHECK_THROWS_AS((void)orthogonalize(at::zeros({3})), std::invalid_argument);
  CHECK_THROWS_AS((void)orthogonalize(at::zeros({3, 3}, at::kBFloat16)), std::invalid_argument);
  CHECK_THROWS_AS((void)orthogonalize(at::Tensor()), std::invalid_argument);
  CHECK_THROWS_AS((void)orthogonalize(at::zeros({3, 3}), options("jordan", at::kHalf)), std::invalid_argument);
  NewtonSchulz o;
  o.norm_multiplier = 0;
  CHECK_THROWS_AS((void)orthogonalize(at::zeros({3, 3}), o), std::invalid_argument);
}
