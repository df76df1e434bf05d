#pragma once

#include "tests/support/test_registry.h"

namespace switchyard::test {

/// adamw with state in bytes, beside the plugins of test_registry.h.
inline Registry registry_with_bytes() {
  auto out = registry();
  OptimizerDescriptor bytes;
  bytes.name = "adamw8bit";
  bytes.table = option_table<ElementOptions>();
  bytes.traits.unit = Unit::chunk;
  bytes.traits.chunk = 256;
  bytes.slots = {{.name = "codes", .codec = "absmax_u8"}};
  out.add(bytes);
  return out;
}

}  // namespace switchyard::test
