#pragma once
/// Memory of an operand without a tensor: what a compiled step keeps of each, so that a step touches no reference
/// count.

#include <c10/core/ScalarType.h>

#include <cstdint>

namespace switchyard::kernels {

/// How the elements of a view are encoded.
enum class Codec : std::uint8_t {
  none,       ///< numbers of `View::dtype`
  absmax_u8,  ///< one byte an element: scale (code - 128) / 127, with scale the largest magnitude of a chunk
};

struct View {
  void* data = nullptr;                          ///< the first element; null: there is no such operand
  at::ScalarType dtype = at::ScalarType::Float;  ///< of the elements, or of the codes
  const std::int64_t* strides = nullptr;         ///< in elements, one a dimension of the item; null: packed, row-major
  Codec codec = Codec::none;
  float* scales = nullptr;  ///< one a chunk, of an encoded view (which is 1-D and packed)
  std::int64_t chunk = 0;   ///< elements that share a scale

  explicit operator bool() const { return data != nullptr; }
};

}  // namespace switchyard::kernels
