#include "core/run/piece.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/kernels/values.h"
#include "tests/support/view_cases.h"

using namespace switchyard;
using testing::matrix_of;
using testing::same_bits;

namespace {

/// Cuts of [0, rows) into `ranks` ranges, empty ones among them.
std::vector<RowRange> random_rows(std::int64_t rows, std::size_t ranks, std::mt19937_64& random) {
  std::vector<std::int64_t> cuts = {0, rows};
  while (cuts.size() < ranks + 1) cuts.push_back(std::uniform_int_distribution<std::int64_t>(0, rows)(random));
  std::sort(cuts.begin(), cuts.end());
  std::vector<RowRange> out;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) out.push_back({cuts[i], cuts[i + 1]});
  return out;
}

}  // namespace

TEST_CASE("piece: every element of a block lies in one piece, at its place in the parameter and in the matrix") {
  auto random = testing::random_engine(1);
  for (const auto& test : testing::view_cases()) {
    std::int64_t numel = 1;
    for (const auto size : test.shape) numel *= size;
    const auto whole = at::arange(numel, at::kDouble).view(test.shape);  // each element is its own flat index
    for (std::size_t ranks = 1; ranks <= 5; ++ranks) {
      const auto rows_of = random_rows(test.shape[0], ranks, random);
      for (const auto& block : enumerate_blocks(test.view, test.shape)) {
        const BlockGeometry geometry(test.view, block);
        const auto expected = matrix_of(whole, test.view, block);  // [out, in]
        auto rebuilt = at::full_like(expected, -1);
        std::int64_t elements = 0;
        for (const auto& rows : rows_of) {
          const auto local = whole.narrow(0, rows.first, rows.size()).clone();
          const auto pieces = geometry.pieces(rows);
          CHECK(pieces.size() <= 3);
          for (const auto& piece : pieces) {
            INFO(test.name, ", ranks ", ranks, ", block ", block.name, ", rows ", rows.first, " to ", rows.last);
            const auto from = geometry.of_parameter(local, rows, piece);
            auto to = geometry.of_matrix(rebuilt, piece);
            REQUIRE((from.sizes() == to.sizes()));
            CHECK(geometry.sizes(piece) == from.sizes().vec());
            CHECK(geometry.elements(piece) == from.numel());
            CHECK(from.numel() > 0);
            CHECK(to.eq(-1).all().item<bool>());  // written once
            to.copy_(from);
            // Row-major place of the first element.
            CHECK(expected.view(-1)[geometry.offset(piece)].item<double>() == from.reshape(-1)[0].item<double>());
            elements += from.numel();
          }
        }
        CHECK(elements == block.out * block.in);
        CHECK(same_bits(rebuilt, expected));
      }
    }
  }
}

TEST_CASE("piece: blocks partition the parameter") {
  for (const auto& test : testing::view_cases()) {
    std::int64_t numel = 1;
    for (const auto size : test.shape) numel *= size;
    auto seen = at::zeros({numel}, at::kDouble);
    const auto whole = at::arange(numel, at::kDouble).view(test.shape);
    for (const auto& block : enumerate_blocks(test.view, test.shape)) {
      const BlockGeometry geometry(test.view, block);
      const RowRange rows = {0, test.shape[0]};
      for (const auto& piece : geometry.pieces(rows)) {
        const auto indices = geometry.of_parameter(whole, rows, piece).reshape(-1).to(at::kLong);
        seen.index_add_(0, indices, at::ones({indices.numel()}, at::kDouble));
      }
    }
    INFO(test.name);
    CHECK(seen.eq(1).all().item<bool>());
  }
}
