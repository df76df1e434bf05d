#pragma once
/// Five small plugins that use every corner of the interface between plugins and executor. They exist for the tests: a
/// probe that needs something special in core/run means that the interface is wrong.

#include "core/registry.h"

namespace switchyard {

void register_plugin_probe_rewrite(
    Registry& registry);  ///< the complete phase makes the new parameter; an owner's matrix slot
void register_plugin_probe_row_norm(
    Registry& registry);  ///< a slot per row and a rescaling of the whole block (NorMuon's shape)
void register_plugin_probe_two_sided(
    Registry& registry);  ///< out x out, in x in and scalar slots (Shampoo's shape); scale-free
void register_plugin_probe_coded(
    Registry& registry);  ///< one byte an element and a number a chunk (8-bit optimizers' shape)
void register_plugin_probe_soap(
    Registry& registry);  ///< acts every few steps; slots that start as the identity and exist by shape (SOAP's shape)

inline void register_probes(Registry& registry) {
  register_plugin_probe_rewrite(registry);
  register_plugin_probe_row_norm(registry);
  register_plugin_probe_two_sided(registry);
  register_plugin_probe_coded(registry);
  register_plugin_probe_soap(registry);
}

/// The built-in plugins and the probes.
inline Registry probed_registry() {
  auto registry = builtin_registry();
  register_probes(registry);
  return registry;
}

}  // namespace switchyard
