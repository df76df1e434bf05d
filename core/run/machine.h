#pragma once

#include "core/machine.h"

namespace switchyard {

/// The machine that this process runs on. The only function of the library whose answer depends on the processor.
Machine this_machine();

}  // namespace switchyard
