#include "kernels/tiles.h"

#include "tests/kernels/values.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

using namespace switchyard::kernels;
using namespace switchyard::testing;

namespace {

std::vector<TilePath> paths() {
  std::vector<TilePath> all;
  for (const TilePath path : {TilePath::portable, TilePath::avx2, TilePath::avx512}) {
    if (tile_path_available(path)) all.push_back(path);
  }
  return all;
}

template <class T>
std::vector<T> values(std::int64_t count, std::mt19937_64& random) {
  std::normal_distribution<double> gauss;
  std::vector<T> x(static_cast<std::size_t>(count));
  for (auto& v : x) v = static_cast<T>(gauss(random));
  return x;
}

template <class T>
struct AlignedDelete {
  void operator()(T* p) const { std::free(p); }
};
template <class T>
std::unique_ptr<T[], AlignedDelete<T>> aligned(std::int64_t count) {
  const auto bytes = (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
  return std::unique_ptr<T[], AlignedDelete<T>>(static_cast<T*>(std::aligned_alloc(64, bytes)));
}

/// C = alpha (C + AB) + beta D element by element, as tiles.h defines it.
template <class T>
T element(const TileBlock<T>& x, const std::vector<T>& b, std::int64_t i, std::int64_t j, T before) {
  T sum = 0;
  for (std::int64_t k = 0; k < x.depth; ++k)
    sum = std::fma(x.a[i * x.a_row + k * x.a_step], b[static_cast<std::size_t>(k * x.column_end + j)], sum);
  if (!x.first) sum = before + sum;
  if (!x.last) return sum;
  sum = x.alpha * sum;
  return x.d == nullptr ? sum : std::fma(x.beta, x.d[i * x.d_row + j], sum);
}

/// Every path of a block [rows, columns, depth] against the definition, bit for bit; what lies around C is not written.
template <class T>
void check_block(std::int64_t rows, std::int64_t columns, std::int64_t depth, int variant, std::mt19937_64& random) {
  const bool along = (variant & 1) != 0;
  TileBlock<T> block;
  const auto a = values<T>(rows * depth, random), b = values<T>(depth * columns, random);
  const auto d = values<T>(rows * columns, random), before = values<T>(rows * (columns + 3), random);
  block.a = a.data();
  block.a_row = along ? depth : 1;
  block.a_step = along ? 1 : rows;
  block.depth = depth;
  block.row_end = rows;
  block.column_end = columns;
  block.c_row = columns + 3;
  block.d = (variant & 2) != 0 ? d.data() : nullptr;
  block.d_row = columns;
  block.alpha = static_cast<T>(1.25);
  block.beta = static_cast<T>(-0.3);
  block.first = (variant & 4) != 0;
  block.last = (variant & 8) != 0;
  block.upper = (variant & 16) != 0;
  for (const TilePath path : paths()) {
    CAPTURE(static_cast<int>(path));
    const Tiles<T>& tile = tiles<T>(path);
    REQUIRE(kPanelMultiple % tile.panel == 0);
    const auto packed = aligned<T>((columns + tile.panel) * depth);
    for (std::int64_t j = 0; j < columns; j += tile.panel)
      tile.pack(b.data() + j, columns, depth, columns - j, packed.get() + j * depth);
    auto c = before;
    block.b = packed.get();
    block.c = c.data();
    tile.multiply(block);
    bool equal = true;
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns + 3; ++j) {
        const auto at = static_cast<std::size_t>(i * (columns + 3) + j);
        if (j >= columns) {
          equal = equal && c[at] == before[at];
        } else if (!block.upper || j >= i) {
          equal = equal && c[at] == element(block, b, i, j, before[at]);
        }
      }
    }
    CHECK(equal);
  }
}

}  // namespace

TEST_CASE("tiles: every instruction set computes the defined chain of fused multiply-adds, bit for bit") {
  auto random = random_engine(60);
  int variant = 0;
  for (const std::int64_t rows : {1, 6, 13, 25}) {
    for (const std::int64_t columns : {1, 8, 17, 32, 70}) {
      for (const std::int64_t depth : {1, 9, 320}) {
        CAPTURE(rows);
        CAPTURE(columns);
        CAPTURE(depth);
        check_block<float>(rows, columns, depth, variant, random);
        check_block<double>(rows, columns, depth, variant, random);
        variant = (variant + 7) % 32;  // prime to 32: every combination of the flags comes
      }
    }
  }
}

TEST_CASE("tiles: packing transposed is packing the transpose, and a mirror completes a symmetric matrix") {
  auto random = random_engine(61);
  for (const TilePath path : paths()) {
    const Tiles<float>& tile = tiles<float>(path);
    for (const std::int64_t columns : {1, 5, 16, 32, 40}) {
      for (const std::int64_t depth : {1, 3, 4, 31}) {
        const auto x = values<float>(columns * depth, random);
        std::vector<float> transposed(x.size());
        for (std::int64_t k = 0; k < depth; ++k) {
          for (std::int64_t j = 0; j < columns; ++j)
            transposed[static_cast<std::size_t>(k * columns + j)] = x[static_cast<std::size_t>(j * depth + k)];
        }
        std::vector<float> one(static_cast<std::size_t>(depth * tile.panel), 7.0F), other = one;
        tile.pack_transposed(x.data(), depth, depth, columns, one.data());
        tile.pack(transposed.data(), columns, depth, columns, other.data());
        CHECK(one == other);
        for (std::int64_t k = 0; k < depth; ++k) {
          for (std::int64_t j = 0; j < tile.panel; ++j) {
            const float expected = j < columns ? x[static_cast<std::size_t>(j * depth + k)] : 0.0F;
            CHECK(one[static_cast<std::size_t>(k * tile.panel + j)] == expected);
          }
        }
      }
    }
    for (const std::int64_t size : {1, 4, 6, 37}) {
      auto c = values<float>(size * 40, random);
      const auto before = c;
      for (std::int64_t begin = 0; begin < size; begin += 8)
        tile.mirror(c.data(), 40, size, begin, std::min(size, begin + 8));
      for (std::int64_t i = 0; i < size; ++i) {
        for (std::int64_t j = 0; j < 40; ++j) {
          const std::int64_t from = j < i ? j * 40 + i : i * 40 + j;
          CHECK(c[static_cast<std::size_t>(i * 40 + j)] == before[static_cast<std::size_t>(from)]);
        }
      }
    }
  }
}
