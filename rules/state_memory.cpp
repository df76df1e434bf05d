#include "rules/state_memory.h"

#include <fmt/format.h>

namespace switchyard {

namespace {

/// Elements of a slot of a parameter, over all its blocks.
std::int64_t slot_elements(const PlannedParameter& parameter, const OptimizerDescriptor& descriptor, const Slot& slot) {
  const auto numel = parameter.info.numel();
  if (!owner_slot(slot.shape)) {
    if (!slot.active(parameter.settings, numel, 1)) return 0;
    return slot.shape == SlotShape::per_chunk ? chunks_of(numel, descriptor.chunk_length(parameter.settings)) : numel;
  }
  std::int64_t total = 0;
  for (const auto& part : parameter.parts) {
    if (!slot.active(parameter.settings, part.out, part.in)) continue;
    auto elements = part.count;
    for (const auto size : owner_slot_sizes(slot.shape, part.out, part.in)) elements *= size;
    total += elements;
  }
  return total;
}

}  // namespace

std::vector<StateMemory> state_memory(const PlannedParameter& parameter, const OptimizerDescriptor& descriptor) {
  std::vector<StateMemory> out;
  if (parameter.frozen()) return out;
  const auto dtype = parameter.info.dtype;
  for (const auto& slot : descriptor.slots) {
    const auto elements = slot_elements(parameter, descriptor, slot);
    if (elements == 0 && (slot.exists || !slot.active(parameter.settings))) continue;
    if (slot.encoded()) {
      const auto chunks = chunks_of(parameter.info.numel(), descriptor.chunk_length(parameter.settings));
      out.push_back({slot.name + " " + slot.codec, elements + chunks * size_of(Dtype::float32)});
    } else {
      const auto type = stored_dtype(slot.dtype, dtype);
      out.push_back({fmt::format("{} {}", slot.name, to_string(type)), elements * size_of(type)});
    }
  }
  if (descriptor.traits.master && size_of(dtype) == 2) {
    out.push_back({"master float32", parameter.info.numel() * size_of(Dtype::float32)});
  }
  return out;
}

}  // namespace switchyard
