#include "kernels/symmetric_iteration.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kBlockRows = 96;      // of a unit of work: its part of A stays in the second-level cache
constexpr std::int64_t kBlockColumns = 128;  // of a unit of work

std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }
std::int64_t pieces(std::int64_t n, std::int64_t of) { return (n + of - 1) / of; }

/// Elements between rows of a square: whole panels, and not a multiple of the cache's period, which would put the rows
/// of a tile into the same few lines.
std::int64_t square_row(std::int64_t side) {
  const std::int64_t row = round_up(side, kPanelMultiple);
  return row % 128 == 0 ? row + 16 : row;
}

/// The depths [begin, end) of chunk c: equal ones, none deeper than a tile takes.
struct Chunks {
  std::int64_t depth, count, each;
  explicit Chunks(std::int64_t depth_)
      : depth(depth_), count(pieces(depth_, kTileDepth)), each(pieces(depth_, count)) {}
  [[nodiscard]] std::int64_t begin(std::int64_t c) const { return c * each; }
  [[nodiscard]] std::int64_t size(std::int64_t c) const { return std::min(each, depth - c * each); }
};

}  // namespace

/// Element (i, j) is at data[i * row + j], or transposed at data[j * row + i].
template <class T>
struct SymmetricIteration<T>::Factor {
  const T* data;
  std::int64_t row;
  std::int64_t depth;  // the side that is summed over
  bool transposed = false;
};

template <class T>
struct SymmetricIteration<T>::Sum {
  const T* square = nullptr;
  T factor = 0;
};

template <class T>
std::int64_t SymmetricIteration<T>::shared_elements(std::int64_t m, std::int64_t n, IterationForm form) {
  const std::int64_t side = std::min(m, n), length = std::max(m, n);
  const std::int64_t squares = form == IterationForm::gram ? 4 : 2;
  return squares * round_up(side, kPanelMultiple) * square_row(side) +
         std::min(kTileDepth, length) * round_up(side, kPanelMultiple);
}

template <class T>
std::int64_t SymmetricIteration<T>::worker_elements(std::int64_t m, std::int64_t n) {
  const std::int64_t side = std::min(m, n), length = std::max(m, n);
  return m > n ? std::min(kBlockRows, length) * square_row(side)
               : side * std::min(kBlockColumns, round_up(length, kPanelMultiple));
}

template <class T>
SymmetricIteration<T>::SymmetricIteration(std::int64_t m, std::int64_t n, IterationForm form, const Team& team,
                                          T* shared, T* workers, TilePath path)
    : m_(m),
      n_(n),
      side_(std::min(m, n)),
      length_(std::max(m, n)),
      row_(square_row(side_)),
      form_(form),
      team_(team),
      tiles_(tiles<T>(path)),
      square_{},
      panels_(shared),
      workers_(workers) {
  for (int i = 0; i < (form == IterationForm::gram ? 4 : 2); ++i) {
    square_[i] = panels_;
    panels_ += round_up(side_, kPanelMultiple) * row_;
  }
}

/// Upper triangle of out = alpha A B + beta D chunk by chunk, then its mirror.
template <class T>
void SymmetricIteration<T>::multiply(T* out, const Factor& a, const Factor& b, T alpha, const Sum& sum) const {
  const Chunks chunks(a.depth);
  const std::int64_t rows = pieces(side_, kBlockRows), columns = pieces(side_, kBlockColumns);
  for (std::int64_t c = 0; c < chunks.count; ++c) {
    const std::int64_t k = chunks.begin(c), depth = chunks.size(c);
    team_.run(columns, [&](std::int64_t u, int) {
      for (std::int64_t j = u * kBlockColumns; j < std::min(side_, (u + 1) * kBlockColumns); j += tiles_.panel) {
        T* to = panels_ + j * depth;
        if (b.transposed) {
          tiles_.pack_transposed(b.data + j * b.row + k, b.row, depth, side_ - j, to);
        } else {
          tiles_.pack(b.data + k * b.row + j, b.row, depth, side_ - j, to);
        }
      }
    });
    team_.run(rows * columns, [&](std::int64_t u, int) {
      TileBlock<T> block;
      // The longest columns first, so that the last units are short.
      block.column_begin = (columns - 1 - u / rows) * kBlockColumns;
      block.column_end = std::min(side_, block.column_begin + kBlockColumns);
      block.row_begin = u % rows * kBlockRows;
      block.row_end = std::min(side_, block.row_begin + kBlockRows);
      if (block.row_begin >= block.column_end) return;
      block.a = a.transposed ? a.data + k * a.row : a.data + k;
      block.a_row = a.transposed ? 1 : a.row;
      block.a_step = a.transposed ? a.row : 1;
      block.b = panels_;
      block.depth = depth;
      block.c = out;
      block.c_row = row_;
      block.d = sum.square;
      block.d_row = row_;
      block.alpha = alpha;
      block.beta = sum.factor;
      block.first = c == 0;
      block.last = c + 1 == chunks.count;
      block.upper = true;
      tiles_.multiply(block);
    });
  }
  constexpr std::int64_t kStrip = 32;
  team_.run(pieces(side_, kStrip), [&](std::int64_t u, int) {
    tiles_.mirror(out, row_, side_, u * kStrip, std::min(side_, (u + 1) * kStrip));
  });
}

template <class T>
void SymmetricIteration<T>::add_to_diagonal(T* square, T value) const {
  for (std::int64_t i = 0; i < side_; ++i) square[i * row_ + i] += value;
}

template <class T>
void SymmetricIteration<T>::gram(const T* x) const {
  const Factor a{x, n_, length_, tall()};
  const Factor b{x, n_, length_, !tall()};
  multiply(square_[0], a, b, T(1), {});
}

/// X <- scale Q X, a few columns at a time: their copy is the packed operand, so the result may take their place.
template <class T>
void SymmetricIteration<T>::apply_wide(const T* q, T* x, T scale) const {
  const Chunks chunks(side_);
  team_.run(pieces(length_, kBlockColumns), [&](std::int64_t u, int worker) {
    const std::int64_t begin = u * kBlockColumns, columns = std::min(kBlockColumns, length_ - begin);
    T* packed = workers_ + worker * worker_elements(m_, n_);
    const std::int64_t width = round_up(columns, tiles_.panel);
    for (std::int64_t c = 0; c < chunks.count; ++c) {
      const std::int64_t k = chunks.begin(c), depth = chunks.size(c);
      for (std::int64_t j = 0; j < columns; j += tiles_.panel)
        tiles_.pack(x + k * n_ + begin + j, n_, depth, columns - j, packed + k * width + j * depth);
    }
    for (std::int64_t c = 0; c < chunks.count; ++c) {
      TileBlock<T> block;
      block.a = q + chunks.begin(c);
      block.a_row = row_;
      block.b = packed + chunks.begin(c) * width;
      block.depth = chunks.size(c);
      block.column_end = columns;
      block.c = x + begin;
      block.c_row = n_;
      block.alpha = scale;
      block.first = c == 0;
      block.last = c + 1 == chunks.count;
      for (block.row_begin = 0; block.row_begin < side_; block.row_begin = block.row_end) {
        block.row_end = std::min(side_, block.row_begin + kBlockRows);
        tiles_.multiply(block);
      }
    }
  });
}

/// X <- scale X Q, a few rows at a time, from a copy of them; Q is packed once.
template <class T>
void SymmetricIteration<T>::apply_tall(const T* q, T* packed, T* x, T scale) const {
  const Chunks chunks(side_);
  const std::int64_t width = round_up(side_, tiles_.panel);
  team_.run(pieces(side_, kBlockColumns), [&](std::int64_t u, int) {
    for (std::int64_t c = 0; c < chunks.count; ++c) {
      const std::int64_t k = chunks.begin(c), depth = chunks.size(c);
      for (std::int64_t j = u * kBlockColumns; j < std::min(side_, (u + 1) * kBlockColumns); j += tiles_.panel)
        tiles_.pack(q + k * row_ + j, row_, depth, side_ - j, packed + k * width + j * depth);
    }
  });
  team_.run(pieces(length_, kBlockRows), [&](std::int64_t u, int worker) {
    const std::int64_t begin = u * kBlockRows, rows = std::min(kBlockRows, length_ - begin);
    T* copy = workers_ + worker * worker_elements(m_, n_);
    for (std::int64_t i = 0; i < rows; ++i)
      std::memcpy(copy + i * row_, x + (begin + i) * n_, static_cast<std::size_t>(n_) * sizeof(T));
    for (std::int64_t c = 0; c < chunks.count; ++c) {
      TileBlock<T> block;
      block.a = copy + chunks.begin(c);
      block.a_row = row_;
      block.b = packed + chunks.begin(c) * width;
      block.depth = chunks.size(c);
      block.row_end = rows;
      block.column_end = side_;
      block.c = x + begin * n_;
      block.c_row = n_;
      block.alpha = scale;
      block.first = c == 0;
      block.last = c + 1 == chunks.count;
      tiles_.multiply(block);
    }
  });
}

template <class T>
void SymmetricIteration<T>::apply(const T* q, T* packed, T* x, T scale) const {
  if (tall()) {
    apply_tall(q, packed, x, scale);
  } else {
    apply_wide(q, x, scale);
  }
}

template <class T>
void SymmetricIteration<T>::run(T* x, std::span<const Coefficients> rows, T scale) const {
  const auto steps = static_cast<std::int64_t>(rows.size());
  T* a = square_[0];
  T* z = square_[1];
  T* q = square_[2];
  T* other = square_[3];
  const auto product = [&](T* out, const T* left, const T* right, T alpha, const T* sum, T beta) {
    multiply(out, {left, row_, side_}, {right, row_, side_}, alpha, {sum, beta});
  };
  bool fresh = true;
  for (std::int64_t t = 0; t < steps; ++t) {
    const Coefficients& k = rows[static_cast<std::size_t>(t)];
    const auto first = static_cast<T>(k.a);
    if (fresh) gram(x);
    product(z, a, a, static_cast<T>(k.c), a, static_cast<T>(k.b));  // Z = bA + cA^2
    const bool ends = segment_ends(form_, t + 1, steps);
    if (fresh && ends) {  // Q = Z + aI
      add_to_diagonal(z, first);
      apply(z, a, x, t + 1 == steps ? scale : T(1));
      continue;
    }
    if (fresh) {
      std::memcpy(q, z, static_cast<std::size_t>(side_ * row_) * sizeof(T));
      add_to_diagonal(q, first);
    } else {
      product(other, q, z, T(1), q, first);  // QZ + aQ
      std::swap(q, other);
    }
    fresh = ends;
    if (ends) {
      apply(q, other, x, t + 1 == steps ? scale : T(1));
    } else {
      product(other, a, z, T(1), a, first);      // A (Z + aI)
      product(a, z, other, T(1), other, first);  // (Z + aI) A (Z + aI)
    }
  }
  if (steps == 0) {
    for (std::int64_t i = 0; i < m_ * n_; ++i) x[i] *= scale;
  }
}

bool segment_ends(IterationForm form, std::int64_t step, std::int64_t steps) {
  return form == IterationForm::standard || step == steps || step % 3 == 2;
}

double iteration_flops(IterationForm form, std::int64_t m, std::int64_t n, std::int64_t steps) {
  const auto side = static_cast<double>(std::min(m, n));
  const auto length = static_cast<double>(std::max(m, n));
  const double square = side * side * side;       // a triangle of side^3 fused multiply-adds, two operations each
  const double gram = side * side * length;       // the same
  const double apply = 2 * side * side * length;  // a whole product
  double total = 0;
  bool fresh = true;
  for (std::int64_t step = 1; step <= steps; ++step) {
    const bool ends = segment_ends(form, step, steps);
    total += (fresh ? gram : square) + square + (ends ? apply : 2 * square);
    fresh = ends;
  }
  return total;
}

template class SymmetricIteration<float>;
template class SymmetricIteration<double>;

}  // namespace switchyard::kernels
