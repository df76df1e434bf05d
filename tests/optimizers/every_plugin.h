#pragma once

#include <doctest/doctest.h>

#include "tests/probes/probes.h"
#include "tests/support/conformance.h"

namespace switchyard {

/// A law for each built-in plugin and each probe, on every machine that makes a difference: being registered is enough.
inline void every_plugin(void (*holds)(const conformance::Subject&)) {
  const auto registry = probed_registry();
  for (const auto& law : conformance::laws()) {
    if (law.holds != holds) continue;
    INFO("law ", std::string(law.name), ": ", std::string(law.says));
    INFO("last run: ", conformance::last_run());
    for (const auto& descriptor : registry.optimizers()) {
      for (const auto& machine : conformance::machines_of(descriptor)) {
        INFO("bfloat16 is ", std::string(machine.fast_bfloat16 ? "fast" : "slow"));
        law.holds(conformance::Subject(registry, descriptor, machine));
      }
    }
    return;
  }
  FAIL("a law that is not in the list");
}

}  // namespace switchyard
