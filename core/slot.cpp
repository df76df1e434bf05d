#include "core/slot.h"

#include <stdexcept>

namespace switchyard {

namespace {

template <class Rows, class E>
std::string_view name_in(const Rows& rows, E value) {
  for (const auto& [key, name] : rows) {
    if (key == value) return name;
  }
  throw std::logic_error("an enumerator of a slot has no name");
}

}  // namespace

std::string_view to_string(SlotShape shape) { return name_in(slot_shape_names, shape); }
std::string_view to_string(SlotDtype dtype) { return name_in(slot_dtype_names, dtype); }

bool owner_slot(SlotShape shape) {
  switch (shape) {
    case SlotShape::like_param:
    case SlotShape::per_chunk:
      return false;
    case SlotShape::per_out_row:
    case SlotShape::per_in_column:
    case SlotShape::out_by_out:
    case SlotShape::in_by_in:
    case SlotShape::per_block:
    case SlotShape::block_matrix:
      return true;
  }
  throw std::logic_error("a slot has no shape");
}

Dtype stored_dtype(SlotDtype dtype, Dtype parameter) {
  switch (dtype) {
    case SlotDtype::work:
      return work_dtype(parameter);
    case SlotDtype::float32:
      return Dtype::float32;
    case SlotDtype::float64:
      return Dtype::float64;
    case SlotDtype::bfloat16:
      return Dtype::bfloat16;
  }
  throw std::logic_error("a slot has no dtype");
}

bool known_codec(std::string_view codec) { return codec == "absmax_u8"; }

bool Slot::active(const OptionValues& values) const {
  if (when.empty()) return true;
  const auto* value = find_option(values, when);
  return value != nullptr && truthy(*value);
}

bool Slot::active(const OptionValues& values, std::int64_t out, std::int64_t in) const {
  return active(values) && (!exists || exists(values, out, in));
}

std::vector<std::int64_t> owner_slot_sizes(SlotShape shape, std::int64_t out, std::int64_t in) {
  switch (shape) {
    case SlotShape::per_out_row:
      return {out};
    case SlotShape::per_in_column:
      return {in};
    case SlotShape::out_by_out:
      return {out, out};
    case SlotShape::in_by_in:
      return {in, in};
    case SlotShape::per_block:
      return {};
    case SlotShape::block_matrix:
      return {out, in};
    case SlotShape::like_param:
    case SlotShape::per_chunk:
      break;
  }
  throw std::logic_error("a slot that lives with the shard has no sizes of a block");
}

}  // namespace switchyard
