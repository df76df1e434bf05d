#include "kernels/reduce.h"

#include "tests/kernels/values.h"

#include <cmath>
#include <stdexcept>
#include <vector>

using namespace switchyard::kernels;
using namespace switchyard::testing;

namespace {

std::vector<at::Tensor> layouts(const at::Tensor& t) {
  return {t, t.t(), at::stack({t, at::zeros_like(t)}, -1).select(-1, 0), t.narrow(0, 0, t.size(0))};
}

}  // namespace

TEST_CASE("reduce: agrees with ATen for every dtype and layout") {
  auto random = random_engine(30);
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const at::Tensor t = gaussian({123, 457}, random, type);
    const at::Tensor wide = t.to(at::kDouble);
    for (const at::Tensor& view : layouts(t)) {
      CHECK(max_abs(view) == wide.abs().max().item<double>());
      CHECK(sum_of_squares(view) == sum_of_squares(t));
      // ATen's own pairwise double sum: relative error below 1e-13 for 56,000 elements.
      CHECK(sum_of_squares(view) == doctest::Approx(wide.square().sum().item<double>()).epsilon(1e-13));
      CHECK(all_finite(view));
    }
  }
}

TEST_CASE("reduce: one infinity or NaN anywhere is found") {
  auto random = random_engine(31);
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    for (int trial = 0; trial < 30; ++trial) {
      const at::Tensor t = gaussian({301, 511}, random, type);
      const auto where = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(t.numel()));
      t.view({-1})[where] = trial % 3 == 0 ? NAN : trial % 3 == 1 ? INFINITY : -INFINITY;
      const at::Tensor view = layouts(t)[static_cast<std::size_t>(trial % 4)];
      CHECK_FALSE(all_finite(view));
      if (trial % 3 == 0) {
        CHECK(std::isnan(max_abs(view)));
        CHECK(std::isnan(sum_of_squares(view)));
      } else {
        CHECK(max_abs(view) == INFINITY);
        CHECK(sum_of_squares(view) == INFINITY);
      }
    }
  }
}

TEST_CASE("reduce: the largest finite values and denormals are finite") {
  CHECK(all_finite(at::tensor({3.4028234e38, -3.4028234e38, 1e-45, 0.0}, at::kFloat)));
  CHECK(all_finite(at::tensor({65504.0, 6e-8}, at::kFloat).to(at::kHalf)));
  CHECK(max_abs(at::tensor({1e-45, -0.0}, at::kFloat)) == doctest::Approx(1.401298464e-45).epsilon(1e-6));
  CHECK(sum_of_squares(at::tensor({3e38}, at::kFloat)) > 8e76);
}

TEST_CASE("reduce: empty tensors and misuse") {
  CHECK(max_abs(at::empty({0, 3})) == 0.0);
  CHECK(sum_of_squares(at::empty({0})) == 0.0);
  CHECK(all_finite(at::empty({0})));
  for (const at::Tensor& bad : {at::Tensor(), at::zeros({2}, at::kInt)}) {
    CHECK_THROWS_AS((void)max_abs(bad), std::invalid_argument);
    CHECK_THROWS_AS((void)sum_of_squares(bad), std::invalid_argument);
    CHECK_THROWS_AS((void)all_finite(bad), std::invalid_argument);
  }
}
