#pragma once
/// Register tiles of dense products, compiled for several instruction sets with the same bits in each: what a matrix
/// product does between packing and storing. Used by kernels/symmetric_iteration.h.

#include <cstdint>

namespace switchyard::kernels {

/// The deepest chunk of a product: part of the definition of its bits, so the same on every processor.
inline constexpr std::int64_t kTileDepth = 320;
/// Every panel width divides it.
inline constexpr std::int64_t kPanelMultiple = 32;

/// C = alpha (C_before + A B) + beta D on rows [row_begin, row_end) and columns [column_begin, column_end) of C, where
/// A B is one chunk of `depth` <= kTileDepth terms: sum over k ascending of fma(A(i, k), B(k, j), sum), from zero.
/// `first`: C_before is zero. `last`: alpha and beta D apply (D may be null), as fma(beta, D, alpha * sum); before that
/// the sum alone is stored. D and C are different matrices.
template <class T>
struct TileBlock {
  const T* a = nullptr;  ///< A(i, k) = a[i * a_row + k * a_step]; one of the two strides is 1
  std::int64_t a_row = 0;
  std::int64_t a_step = 1;
  const T* b = nullptr;  ///< panels from column 0 on, each [depth][panel], 64-byte aligned
  std::int64_t depth = 0;
  std::int64_t row_begin = 0;
  std::int64_t row_end = 0;
  std::int64_t column_begin = 0;  ///< a multiple of the panel width
  std::int64_t column_end = 0;
  T* c = nullptr;  ///< row-major, `c_row` elements between rows
  std::int64_t c_row = 0;
  const T* d = nullptr;  ///< row-major, `d_row` elements between rows
  std::int64_t d_row = 0;
  T alpha = 1;
  T beta = 0;
  bool first = true;
  bool last = true;
  bool upper = false;  ///< only elements (i, j >= i) are wanted; others of C may get anything
};

/// One instruction set's functions.
template <class T>
struct Tiles {
  std::int64_t panel;  ///< columns of a packed panel
  /// Columns [0, panel) of B(k, j) = from[k * row + j], `columns` of them there and zeros beyond, to `to`
  /// [depth][panel].
  void (*pack)(const T* from, std::int64_t row, std::int64_t depth, std::int64_t columns, T* to);
  /// The same for B(k, j) = from[j * row + k].
  void (*pack_transposed)(const T* from, std::int64_t row, std::int64_t depth, std::int64_t columns, T* to);
  void (*multiply)(const TileBlock<T>& block);
  /// c[j][i] = c[i][j] for i in [begin, end) and i < j < size; begin and end are multiples of 4, or end is size.
  void (*mirror)(T* c, std::int64_t row, std::int64_t size, std::int64_t begin, std::int64_t end);
};

/// Which instruction set; all give the same bits. `automatic` picks by processor.
enum class TilePath : std::uint8_t {
  automatic,
  portable,  ///< std::fma an element; the reference, slow where the compiler's baseline has no such instruction
  avx2,      ///< 6 rows by two vectors of 32 bytes, AVX2 and FMA
  avx512,    ///< 12 rows by two vectors of 64 bytes, AVX-512F
};
[[nodiscard]] bool tile_path_available(TilePath path);

/// T: float or double. Throws std::invalid_argument where the processor lacks the instructions.
template <class T>
[[nodiscard]] const Tiles<T>& tiles(TilePath path = TilePath::automatic);

}  // namespace switchyard::kernels
