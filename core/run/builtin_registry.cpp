#include "core/registry.h"

namespace switchyard {

Registry builtin_registry() {
  Registry registry;
  register_builtin_plugins(registry);
  return registry;
}

}  // namespace switchyard
