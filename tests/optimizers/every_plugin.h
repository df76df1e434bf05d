#pragma once

#include <doctest/doctest.h>

#include "tests/probes/probes.h"
#include "tests/support/conformance.h"

namespace switchyard {

/// A law for each built-in plugin and each probe, on every machine that makes a difference: being registered is enough.
template <class Law>
void every_plugin(Law law) {
  const auto registry = probed_registry();
  for (const auto& descriptor : registry.optimizers()) {
    for (const auto& machine : conformance::machines_of(descriptor)) {
      INFO("bfloat16 is ", machine.fast_bfloat16 ? "fast" : "slow");
      law(conformance::Subject(registry, descriptor, machine));
    }
  }
}

}  // namespace switchyard
