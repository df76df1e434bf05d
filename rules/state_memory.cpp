#include "rules/state_memory.h"

#include <fmt/format.h>

namespace switchyard {

namespace {

/// Sum over the blocks of a parameter.
template <class Size>
std::int64_t over_blocks(const PlannedParameter& parameter, Size&& size) {
  std::int64_t total = 0;
  for (const auto& part : parameter.parts) total += part.count * size(part);
  return total;
}

std::int64_t slot_elements(const PlannedParameter& parameter, const OptimizerDescriptor& descriptor, SlotShape shape) {
  const auto numel = parameter.info.numel();
  switch (shape) {
    case SlotShape::like_param:
    case SlotShape::code_u8:
      return numel;
    case SlotShape::per_run: {
      const auto run = descriptor.run_length(parameter.settings);
      return numel / run + (numel % run != 0 ? 1 : 0);
    }
    case SlotShape::per_out_row:
      return over_blocks(parameter, [](const auto& part) { return part.out; });
    case SlotShape::per_in_column:
      return over_blocks(parameter, [](const auto& part) { return part.in; });
    case SlotShape::out_by_out:
      return over_blocks(parameter, [](const auto& part) { return part.out * part.out; });
    case SlotShape::in_by_in:
      return over_blocks(parameter, [](const auto& part) { return part.in * part.in; });
    case SlotShape::block_scalar:
      return over_blocks(parameter, [](const auto&) { return std::int64_t{1}; });
    case SlotShape::block_matrix:
      return numel;
  }
  return 0;
}

}  // namespace

std::vector<StateMemory> state_memory(const PlannedParameter& parameter, const OptimizerDescriptor& descriptor) {
  std::vector<StateMemory> out;
  if (parameter.frozen()) return out;
  const auto dtype = parameter.info.dtype;
  const auto work = work_dtype(dtype);
  for (const auto& slot : descriptor.active_slots(parameter.settings)) {
    const auto elements = slot_elements(parameter, descriptor, slot.shape);
    if (slot.shape == SlotShape::code_u8) {
      out.push_back({slot.name + " uint8", elements});
    } else {
      const auto type = slot.shape == SlotShape::per_run ? Dtype::float32 : work;
      out.push_back({fmt::format("{} {}", slot.name, to_string(type)), elements * size_of(type)});
    }
  }
  if (descriptor.traits.master && size_of(dtype) == 2) {
    out.push_back({"master float32", parameter.info.numel() * size_of(Dtype::float32)});
  }
  return out;
}

}  // namespace switchyard
