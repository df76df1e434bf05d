#include "kernels/squares_of_many.h"

#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <stdexcept>

#include "tests/kernels/values.h"

using namespace switchyard;
using namespace switchyard::kernels;

namespace {

/// Tensors as items; they own what the items point into.
struct Many {
  std::deque<at::Tensor> tensors;
  std::vector<SquaresItem> items;

  void add(const at::Tensor& t, std::size_t group = 0, bool counts = true) {
    const auto& own = tensors.emplace_back(t);
    SquaresItem item;
    item.view.data = const_cast<void*>(own.const_data_ptr());
    item.view.dtype = own.scalar_type();
    item.view.strides = own.is_contiguous() ? nullptr : own.strides().data();
    item.sizes = {own.sizes().data(), own.sizes().size()};
    item.numel = own.numel();
    item.group = group;
    item.counts = counts;
    items.push_back(item);
  }
};

/// The reference: integer bins over all elements of a tensor, one call, packed.
ExactSum bins_of(const std::vector<at::Tensor>& tensors) {
  ExactSum sum;
  for (const auto& t : tensors) {
    const auto packed = t.to(at::kFloat).contiguous();
    add_squares(packed.const_data_ptr<float>(), packed.numel(), sum, ExactPath::scalar);
  }
  return sum;
}

}  // namespace

TEST_CASE("squares of many: the sum of each group is exact whatever sizes, layouts, dtypes, order and threads") {
  auto random = testing::random_engine(50);
  std::vector<at::Tensor> floats, halves;
  for (const std::int64_t n : {1, 2, 31, 32, 33, 127, 128, 2047, 2048, 2049, 70001}) {
    floats.push_back(testing::gaussian({n}, random).mul(std::pow(10.0, static_cast<double>(n % 7) - 3)));
    halves.push_back(testing::gaussian({n}, random, at::kBFloat16));
  }
  floats.push_back(testing::gaussian({90, 70}, random).t());
  floats.push_back(testing::gaussian({5, 1}, random).expand({5, 9}));
  floats.push_back(testing::gaussian({40, 9}, random).slice(1, 0, 9, 2));
  floats.push_back(at::full({3}, 1e-44));  // denormals
  floats.push_back(at::empty({0, 4}));
  halves.push_back(testing::gaussian({8, 6, 4}, random, at::kHalf).transpose(0, 2));
  const auto expected0 = bins_of(floats), expected1 = bins_of(halves);
  for (const int threads : {1, 2, 3, 4}) {
    const testing::Threads limit(threads);
    for (const bool backwards : {false, true}) {
      Many many;
      for (std::size_t k = 0; k < floats.size(); ++k) {
        const auto i = backwards ? floats.size() - 1 - k : k;
        many.add(floats[i], 0);
        if (i < halves.size()) many.add(halves[i], 1);
      }
      std::vector<SquaresSums> sums(2);
      add_squares_of(many.items, sums);
      CHECK(sums[0].narrow == expected0);
      CHECK(sums[1].narrow == expected1);
      CHECK_FALSE(sums[0].has_wide);
      for (const auto& item : many.items) CHECK(item.nonfinite == 0);
    }
  }
}

TEST_CASE("squares of many: float64 goes to the wide sum, and replicas count only what is not finite") {
  auto random = testing::random_engine(51);
  const auto wide = testing::gaussian({1000}, random, at::kDouble), narrow = testing::gaussian({50}, random);
  Many many;
  many.add(wide);
  many.add(narrow);
  many.add(testing::gaussian({77}, random), 0, /*counts=*/false);
  auto bad = testing::gaussian({300}, random);
  bad[7] = NAN;
  bad[8] = INFINITY;
  many.add(bad, 0, /*counts=*/false);
  auto infinite = wide.clone();
  infinite[999] = -INFINITY;
  many.add(infinite, 0, /*counts=*/false);
  std::vector<SquaresSums> sums(1);
  add_squares_of(many.items, sums);
  ExactSum64 expected;
  add_squares(wide, expected);
  CHECK(sums[0].has_wide);
  CHECK(sums[0].wide.limbs == expected.limbs);
  CHECK(sums[0].narrow.limbs == bins_of({narrow}).limbs);
  CHECK(sums[0].narrow.n_nan == 1);
  CHECK(sums[0].narrow.n_inf == 1);
  CHECK(sums[0].wide.n_inf == 1);
  CHECK(sums[0].nonfinite());
  const std::vector<char> nonfinite = {0, 0, 0, 1, 1};
  for (std::size_t i = 0; i < nonfinite.size(); ++i) CHECK(many.items[i].nonfinite == nonfinite[i]);
}

TEST_CASE("squares of many: other dtypes and groups that are not there are refused before anything is added") {
  Many many;
  many.add(at::ones({3}));
  many.add(at::ones({3}, at::kInt));
  std::vector<SquaresSums> sums(1);
  CHECK_THROWS_AS(add_squares_of(many.items, sums), std::invalid_argument);
  Many lost;
  lost.add(at::ones({3}));
  lost.add(at::ones({3}), 1);
  CHECK_THROWS_AS(add_squares_of(lost.items, sums), std::invalid_argument);
  CHECK(sums[0].narrow == ExactSum{});
  add_squares_of({}, sums);  // nothing to do
}
