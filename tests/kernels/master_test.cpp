#include "kernels/master.h"

#include "tests/kernels/values.h"

#include <cmath>
#include <stdexcept>

using namespace switchyard::kernels;
using namespace switchyard::testing;

TEST_CASE("master: keeps its extra bits where the stored element is its rounding, and takes what others wrote") {
  auto random = random_engine(41);
  for (const at::ScalarType half : {at::kBFloat16, at::kHalf}) {
    const at::Tensor before = gaussian({37, 29}, random);
    at::Tensor stored = before.to(half);
    at::Tensor master = before.clone();
    adopt_writes(master, stored);
    CHECK(same_bits(master, before));
    // One unit in the last place of the stored type is a write; so are zero, infinity and NaN.
    const float written[] = {3.5F, 0.0F, -INFINITY, NAN};
    for (std::int64_t i = 0; i < 4; ++i) stored[5 * i][7 * i].fill_(written[i]);
    stored[36][28].copy_(stored[36][28].to(at::kFloat).mul(1.01F));
    adopt_writes(master, stored);
    at::Tensor expected = before.clone();
    for (std::int64_t i = 0; i < 4; ++i) expected[5 * i][7 * i].fill_(written[i]);
    expected[36][28].copy_(stored[36][28].to(at::kFloat));
    CHECK(same_bits(master.nan_to_num(77.0), expected.nan_to_num(77.0)));
    CHECK(std::isnan(master[15][21].item<float>()));
    // The same through other strides.
    at::Tensor turned = before.clone();
    adopt_writes(turned.t(), stored.t().contiguous());
    CHECK(same_bits(turned.nan_to_num(77.0), expected.nan_to_num(77.0)));
  }
}

TEST_CASE("master: refuses other dtypes") {
  CHECK_THROWS_AS(adopt_writes(at::zeros({2}), at::zeros({2})), std::invalid_argument);
  CHECK_THROWS_AS(adopt_writes(at::zeros({2}, at::kDouble), at::zeros({2}, at::kHalf)), std::invalid_argument);
}
