#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/option.h"

namespace switchyard {

/// "" if resolved options fit together, else one sentence.
using OptionsCheck = std::function<std::string(const OptionValues&)>;

/// The same check, which remembers what it said of the last 64 different settings. Planning asks once a parameter and a
/// live write once a step, mostly for settings seen before, and a check may be expensive (muon's evaluates a polynomial
/// at 70,000 points). `check` must depend on its argument alone; with `options`, on these of it alone. Copies share the
/// memory; safe to call from several threads. An empty check stays empty.
OptionsCheck remembered(OptionsCheck check, std::vector<std::string> options = {});

}  // namespace switchyard
