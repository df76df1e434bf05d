#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/option.h"

/// State that a plugin declares. The executor allocates, shards, saves and restores it as `<param>/<slot>` or
/// `<param>/<slot>/<block>`; names, never the numbers of enumerators, are hashed and saved.
namespace switchyard {

/// What a slot's shape follows. The first two live with the shard and are seen by begin and finish; the others live
/// with the block's owner and are seen by transform.
enum class SlotShape : std::uint8_t {
  like_param,     ///< one number an element
  per_chunk,      ///< one number a chunk (Unit::chunk)
  per_out_row,    ///< [out] a block
  per_in_column,  ///< [in] a block
  out_by_out,     ///< [out, out] a block
  in_by_in,       ///< [in, in] a block
  per_block,      ///< [] a block
  block_matrix,   ///< [out, in] a block: state like the parameter that transform wants to see
};
inline constexpr std::array<std::pair<SlotShape, const char*>, 8> slot_shape_names = {
    {{SlotShape::like_param, "like_param"},
     {SlotShape::per_chunk, "per_chunk"},
     {SlotShape::per_out_row, "per_out_row"},
     {SlotShape::per_in_column, "per_in_column"},
     {SlotShape::out_by_out, "out_by_out"},
     {SlotShape::in_by_in, "in_by_in"},
     {SlotShape::per_block, "per_block"},
     {SlotShape::block_matrix, "block_matrix"}}};
std::string_view to_string(SlotShape shape);
/// True for state that lives with the owner of a block.
bool owner_slot(SlotShape shape);

/// What a slot's numbers are stored as.
enum class SlotDtype : std::uint8_t {
  work,  ///< float32, float64 for float64 parameters
  float32,
  float64,
  bfloat16,
};
inline constexpr std::array<std::pair<SlotDtype, const char*>, 4> slot_dtype_names = {
    {{SlotDtype::work, "work"},
     {SlotDtype::float32, "float32"},
     {SlotDtype::float64, "float64"},
     {SlotDtype::bfloat16, "bfloat16"}}};
std::string_view to_string(SlotDtype dtype);
/// The dtype of a slot of a parameter of this dtype.
Dtype stored_dtype(SlotDtype dtype, Dtype parameter);

/// How a slot's numbers are encoded: "" for not at all, or "absmax_u8": one byte an element and one float32 scale a
/// chunk, x = scale (code - 128) / 127 with scale the largest magnitude of the chunk. Stored as two tensors,
/// `<param>/<slot>` and `<param>/<slot>_scale`.
bool known_codec(std::string_view codec);

struct Slot {
  std::string name;
  SlotShape shape = SlotShape::like_param;
  SlotDtype dtype = SlotDtype::work;
  std::string codec{};  ///< only of like_param slots of plugins whose unit is a chunk; the dtype is then that of what
                        ///< the plugin sees, float32
  std::string when{};   ///< the slot exists only if this option is truthy (set, not zero); "" for always
  /// The slot exists only where this says so, by options and size: of slots that live with the shard out is the number
  /// of elements of the parameter and in is 1. Empty: everywhere.
  std::function<bool(const OptionValues&, std::int64_t out, std::int64_t in)> exists{};
  bool by_shape = false;  ///< of descriptors loaded from JSON: `exists` is known to the other program only
  double initial = 0;
  bool identity = false;  ///< starts as the identity matrix (out_by_out and in_by_in)

  /// Whether it exists under these options for this size.
  bool active(const OptionValues& values, std::int64_t out, std::int64_t in) const;
  /// The same as far as options alone say.
  bool active(const OptionValues& values) const;
  bool encoded() const { return !codec.empty(); }
};

/// Sizes of a block's slot with its owner. Throws std::logic_error for slots that live with the shard.
std::vector<std::int64_t> owner_slot_sizes(SlotShape shape, std::int64_t out, std::int64_t in);

/// Chunks of `chunk` elements that n elements have, the last one perhaps in part.
inline std::int64_t chunks_of(std::int64_t n, std::int64_t chunk) { return n / chunk + (n % chunk != 0 ? 1 : 0); }

}  // namespace switchyard
