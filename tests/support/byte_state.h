#pragma once

#include "tests/support/test_registry.h"

namespace switchyard::test {

/// adamw with state in bytes, beside the plugins of test_registry.h.
inline Registry registry_with_bytes() {
  auto out = registry();
  OptimizerDescriptor bytes;
  bytes.name = "adamw8bit";
  bytes.table = option_table<ElementOptions>();
  bytes.traits.unit = Unit::run;
  bytes.traits.run = 256;
  bytes.slots = {{"codes", SlotShape::code_u8, "", 0}, {"largest", SlotShape::per_run, "", 0}};
  out.add(bytes);
  return out;
}

}  // namespace switchyard::test
