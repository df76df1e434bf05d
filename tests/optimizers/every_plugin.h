#pragma once

#include "tests/probes/probes.h"
#include "tests/support/conformance.h"

namespace switchyard {

/// A law for each built-in plugin and each probe: being registered is enough.
template <class Law>
void every_plugin(Law law) {
  const auto registry = probed_registry();
  for (const auto& descriptor : registry.optimizers()) law(conformance::Subject(registry, descriptor));
}

}  // namespace switchyard
