#include "core/run/machine.h"

#include "kernels/processor.h"

namespace switchyard {

Machine this_machine() {
  const auto unit = kernels::bfloat16_unit();
  return unit.empty() ? Machine{} : machine_with(unit);
}

}  // namespace switchyard
