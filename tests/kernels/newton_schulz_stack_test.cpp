#include "kernels/newton_schulz.h"

#include "tests/kernels/polar.h"
#include "tests/support/allocation_watch.h"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace switchyard::kernels;
using namespace switchyard::testing;

namespace {

using Shapes = std::vector<std::pair<std::int64_t, std::int64_t>>;

NewtonSchulz options(const char* name, at::ScalarType dtype) { return {coefficient_set(name), dtype, 1.0}; }

/// A stack whose matrices start on 64-byte boundaries, and a line more apart than that; `gap` fills what is between.
at::Tensor padded(const at::Tensor& batch, double gap) {
  const std::int64_t numel = batch.size(1) * batch.size(2);
  const std::int64_t slot = (numel + 31) / 16 * 16;
  const at::Tensor memory = at::full({batch.size(0) * slot}, gap, batch.options());
  at::Tensor stack =
      memory.as_strided({batch.size(0), batch.size(1), batch.size(2)}, {slot, batch.size(2), std::int64_t{1}});
  return stack.copy_(batch);
}

}  // namespace

TEST_CASE("newton-schulz stack: in place equals out of place times the scale, and writes nothing between matrices") {
  auto random = random_engine(80);
  const std::vector<double> scales{1.0, 0.37, 2.0, 1.0 / 3};
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const at::ScalarType iteration : {at::kFloat, at::kDouble, at::kBFloat16}) {
      for (const auto& [m, n] : Shapes{{1, 1}, {7, 5}, {33, 65}, {70, 20}, {17, 100}}) {
        const auto o = options("mod", iteration);
        const at::Tensor batch = gaussian({4, m, n}, random, type);
        const at::Tensor stack = padded(batch, 12.5);
        orthogonalize_(stack, o, scales);
        for (std::int64_t b = 0; b < 4; ++b) {
          const at::Tensor alone = orthogonalize(batch[b], o);
          const double factor = scales[static_cast<std::size_t>(b)];
          if (type == iteration) {
            // There the factor joins the last product: one rounding, of the scaled sum.
            CHECK(same_bits(stack[b], alone.mul(factor)));
          } else {
            CHECK(same_bits(stack[b], alone * at::scalar_tensor(factor, type)));
          }
        }
        const at::Tensor memory = stack.as_strided({4, stack.stride(0)}, {stack.stride(0), 1});
        CHECK((memory.slice(1, m * n) == 12.5).all().item<bool>());
      }
    }
  }
}

TEST_CASE("newton-schulz stack: bits depend on the matrix alone, whether threads go across matrices or inside one") {
  auto random = random_engine(81);
  for (const auto& [m, n] : Shapes{{33, 65}, {65, 31}, {128, 129}, {257, 256}, {260, 600}}) {
    CAPTURE(m);
    CAPTURE(n);
    const auto o = options("jordan", at::kFloat);
    const at::Tensor batch = gaussian({3, m, n}, random);
    at::Tensor expected;
    for (const int threads : {1, 2, 4}) {
      const Threads limit(threads);
      const at::Tensor together = batch.clone();
      orthogonalize_(together, o);
      if (threads == 1) expected = together;
      CHECK(same_bits(together, expected));
      for (std::int64_t b = 0; b < 3; ++b) {
        const at::Tensor misplaced = at::empty({m * n + 1}, batch.options()).slice(0, 1).view({1, m, n});
        misplaced.copy_(batch[b].unsqueeze(0));
        orthogonalize_(misplaced, o);
        CHECK(same_bits(misplaced[0], expected[b]));
      }
    }
  }
}

TEST_CASE("newton-schulz stack: float32 keeps its distance from the exact polynomial at every size and magnitude") {
  auto random = random_engine(82);
  const auto o = options("jordan", at::kFloat);
  for (const double magnitude : {1.0, 1e-30, 1e-40, 1e19}) {
    for (const auto& [m, n] : Shapes{{32, 32}, {20, 90}, {90, 20}, {256, 300}, {300, 256}}) {
      const at::Tensor x = gaussian({2, m, n}, random) * magnitude;
      const at::Tensor y = x.clone();
      orthogonalize_(y, o);
      for (std::int64_t b = 0; b < 2; ++b)
        CHECK(relative_error(y[b], polar_polynomial(x[b].to(at::kDouble) / x[b].to(at::kDouble).norm(), o.rows)) <
              2e-5);
    }
  }
}

TEST_CASE("newton-schulz stack: zero and non-finite matrices stay beside whole ones") {
  auto random = random_engine(83);
  for (const auto& [m, n] : Shapes{{6, 8}, {20, 4}, {260, 270}}) {
    at::Tensor x = gaussian({4, m, n}, random);
    const at::Tensor clean = x.clone();
    orthogonalize_(clean, {});
    x[1].zero_();
    x[2][3][1] = std::numeric_limits<float>::infinity();
    orthogonalize_(x, {});
    CHECK(same_bits(x[0], clean[0]));
    CHECK(same_bits(x[1], at::zeros({m, n})));
    CHECK(x[2].isnan().all().item<bool>());
    CHECK(same_bits(x[3], clean[3]));
  }
}

TEST_CASE("newton-schulz stack: a call allocates what is printed, once, and nothing with memory of the caller's") {
  auto random = random_engine(84);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const at::ScalarType iteration : {at::kFloat, at::kDouble, at::kBFloat16}) {
      for (const auto& [m, n] : Shapes{{1, 8}, {64, 96}, {100, 30}, {256, 257}}) {
        INFO(m, " x ", n, ", ", at::toString(type), ", iterated in ", at::toString(iteration));
        NewtonSchulz o = options("jordan", iteration);
        o.rows.resize(iteration == at::kBFloat16 ? 1 : 2);  // bfloat16 is slow where the processor has none
        const at::Tensor stack = gaussian({4, m, n}, random, type);
        orthogonalize_(stack, o);  // lazy initialisation of libraries
        for (const int threads : {1, 2}) {
          const Threads limit(threads);
          const std::int64_t printed = orthogonalize_bytes(m, n, type, o, threads);
          AllocationCount count;
          {
            const auto watched = count.watch();
            orthogonalize_(stack, o);
          }
          CHECK(count.peak() <= printed);
          if (iteration != at::kBFloat16) {
            CHECK(count.peak() == printed);
            CHECK(count.allocations() == 1);
          }
          CHECK(count.now() == 0);
          CHECK(printed <= orthogonalize_bytes(m, n, type, o));
          const at::Tensor memory = at::empty({printed}, at::kByte);
          AllocationCount given;
          {
            const auto watched = given.watch();
            orthogonalize_(stack, o, {},
                           {static_cast<std::byte*>(memory.mutable_data_ptr()), static_cast<std::size_t>(printed)});
          }
          if (iteration != at::kBFloat16) CHECK(given.allocations() == 0);
        }
      }
    }
  }
}

TEST_CASE("newton-schulz stack: empty stacks, and misuse, change nothing") {
  orthogonalize_(at::empty({0, 3, 4}), {});
  orthogonalize_(at::empty({2, 0, 4}), {});
  orthogonalize_(at::empty({2, 4, 0}), {});
  const auto refused = [](const at::Tensor& stack, const std::vector<double>& scales = {}) {
    const at::Tensor before = stack.clone();
    CHECK_THROWS_AS(orthogonalize_(stack, {}, scales), std::invalid_argument);
    CHECK(same_bits(stack, before));
  };
  refused(at::ones({3, 3}));
  refused(at::ones({2, 3, 4}).transpose(1, 2));
  refused(at::ones({2, 3, 8}).slice(2, 0, 4));
  refused(at::ones({2, 3, 4}, at::kHalf));
  refused(at::ones({2, 3, 4}), {1.0});
  CHECK_THROWS_AS(orthogonalize_(at::Tensor(), {}), std::invalid_argument);
}
