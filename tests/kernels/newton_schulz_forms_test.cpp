#include "kernels/newton_schulz.h"

#include "tests/kernels/polar.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

using namespace switchyard::kernels;
using namespace switchyard::testing;

namespace {

using Shapes = std::vector<std::pair<std::int64_t, std::int64_t>>;

/// x normalised in float64 and iterated in T in the given form; x [m, n] is not written.
template <class T>
at::Tensor iterated(const at::Tensor& x, const std::vector<Coefficients>& rows, IterationForm form,
                    TilePath path = TilePath::automatic, int workers = 1) {
  const std::int64_t m = x.size(0), n = x.size(1);
  const auto type = c10::CppTypeToScalarType<T>::value;
  at::Tensor y = (x.to(at::kDouble) / x.to(at::kDouble).norm()).to(type).contiguous().clone();
  const at::Tensor shared = at::empty({SymmetricIteration<T>::shared_elements(m, n, form)}, type);
  const at::Tensor own = at::empty({workers * SymmetricIteration<T>::worker_elements(m, n)}, type);
  const SymmetricIteration<T> iteration(m, n, form, Team(workers), shared.mutable_data_ptr<T>(),
                                        own.mutable_data_ptr<T>(), path);
  iteration.run(y.mutable_data_ptr<T>(), rows, T(1));
  return y;
}

/// Singular values from 1 down to 10^-decades, log-spaced.
at::Tensor decaying(std::int64_t m, std::int64_t n, double decades, std::mt19937_64& random) {
  const std::int64_t r = std::min(m, n);
  const auto u = std::get<0>(at::linalg_qr(gaussian({m, r}, random, at::kDouble)));  // [m, r]
  const auto v = std::get<0>(at::linalg_qr(gaussian({n, r}, random, at::kDouble)));  // [n, r]
  return u.mul(at::logspace(0, -decades, r, 10.0, at::kDouble).unsqueeze(0)).matmul(v.t());
}

}  // namespace

TEST_CASE("newton-schulz forms: both equal U p(S) V^T for every shape") {
  auto random = random_engine(70);
  const auto rows = coefficient_set("jordan");
  for (const auto& [m, n] : Shapes{{1, 1},
                                   {1, 9},
                                   {9, 1},
                                   {7, 33},
                                   {33, 7},
                                   {40, 200},
                                   {64, 96},
                                   {128, 128},
                                   {129, 128},
                                   {128, 320},
                                   {320, 129},
                                   {350, 400}}) {
    CAPTURE(m);
    CAPTURE(n);
    const at::Tensor x = gaussian({m, n}, random, at::kDouble);
    const at::Tensor exact = polar_polynomial(x, rows);
    CHECK(relative_error(iterated<double>(x, rows, IterationForm::standard), exact) < 1e-12);
    CHECK(relative_error(iterated<double>(x, rows, IterationForm::gram), exact) < 1e-12);
    CHECK(relative_error(iterated<float>(x, rows, IterationForm::standard), exact) < 1e-5);
    CHECK(relative_error(iterated<float>(x, rows, IterationForm::gram), exact) < 1e-4);
  }
}

TEST_CASE("newton-schulz forms: the Gram form of every safe set stays near the exact polynomial on hard spectra") {
  auto random = random_engine(71);
  for (const CoefficientSet& set : coefficient_sets()) {
    if (set.unsafe) continue;
    const auto rows = coefficient_set(set.name);
    for (const auto& [m, n] : Shapes{{40, 80}, {96, 48}, {48, 300}}) {
      const at::Tensor rank1 = gaussian({m, 1}, random, at::kDouble).matmul(gaussian({1, n}, random, at::kDouble));
      struct Case {
        const char* what;
        at::Tensor x;
        double tolerance;
      };
      for (const Case& one : {Case{"gaussian", gaussian({m, n}, random, at::kDouble), 1e-4},
                              Case{"three decades", decaying(m, n, 3, random), 1e-3},
                              Case{"six decades", decaying(m, n, 6, random), 1e-3}, Case{"rank 1", rank1, 1e-3}}) {
        INFO(std::string(set.name), " ", m, " x ", n, ", ", std::string(one.what));
        const at::Tensor exact = polar_polynomial(one.x, rows);
        const auto apart = [&]<class T>(T, IterationForm form) {
          return relative_error(iterated<T>(one.x, rows, form), exact);
        };
        // A long set's slope at 0 alone magnifies rounding: there the standard form is the measure.
        CHECK(apart(0.0F, IterationForm::gram) < std::max(one.tolerance, 4 * apart(0.0F, IterationForm::standard)));
        CHECK(apart(0.0, IterationForm::gram) < std::max(1e-10, 4 * apart(0.0, IterationForm::standard)));
      }
    }
  }
}

TEST_CASE("newton-schulz forms: instruction sets and numbers of workers change no bit") {
  auto random = random_engine(72);
  const auto rows = coefficient_set("mod");
  for (const auto& [m, n] : Shapes{{5, 7}, {33, 70}, {130, 41}, {330, 100}, {100, 330}}) {
    for (const IterationForm form : {IterationForm::standard, IterationForm::gram}) {
      const at::Tensor x = gaussian({m, n}, random);
      const at::Tensor expected = iterated<float>(x, rows, form);
      for (const TilePath path : {TilePath::portable, TilePath::avx2, TilePath::avx512}) {
        if (!tile_path_available(path)) continue;
        CHECK(same_bits(iterated<float>(x, rows, form, path), expected));
      }
      for (const int workers : {2, 3, 8}) {
        const Threads threads(4);
        CHECK(same_bits(iterated<float>(x, rows, form, TilePath::automatic, workers), expected));
      }
    }
  }
}

TEST_CASE("newton-schulz forms: operations are those of the formulas, and the Gram form is taken where it saves") {
  // r^3 (T (3 q + 1)) and r^3 (4T + 3q - 3 + restarts (3q - 3)) with q = columns / rows, in multiples of 2 r^3 / 2.
  const auto count = [](IterationForm form, double q, std::int64_t steps) {
    return iteration_flops(form, 64, static_cast<std::int64_t>(64 * q), steps) / (64.0 * 64 * 64);
  };
  for (const double q : {1.0, 2.0, 4.0}) {
    CHECK(count(IterationForm::standard, q, 5) == 15 * q + 5);
    CHECK(count(IterationForm::gram, q, 5) == 6 * q + 14);
    CHECK(count(IterationForm::gram, q, 10) == 40 + 3 * q - 3 + 3 * (3 * q - 3));
  }
  CHECK((newton_schulz_form(768, 768, at::kFloat, 5) == IterationForm::standard));
  CHECK((newton_schulz_form(768, 800, at::kFloat, 5) == IterationForm::standard));
  CHECK((newton_schulz_form(768, 1536, at::kFloat, 5) == IterationForm::gram));
  CHECK((newton_schulz_form(1536, 768, at::kDouble, 5) == IterationForm::gram));
  CHECK((newton_schulz_form(768, 3072, at::kFloat, 1) == IterationForm::standard));
  CHECK((newton_schulz_form(768, 3072, at::kBFloat16, 5) == IterationForm::standard));
  CHECK(newton_schulz_flops(64, 256, at::kBFloat16, 5) == 64.0 * 64 * 64 * (20 * 4 + 10));
}
