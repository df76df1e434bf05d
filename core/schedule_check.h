#pragma once

#include <string>

#include "core/option.h"
#include "core/schedule.h"

namespace switchyard {

/// Why the numbers of a schedule do not fit together ("warmup 10 is longer than total 5"), "" if they do: all finite,
/// steps not negative, a total where the kind falls, warmup and decay within it, the steps of points rising, and
/// nothing set that the kind does not look at.
std::string schedule_problem(const Schedule& schedule);

/// True if every value of the schedule is legal for what it drives: a number of the option's interval, or, for the
/// learning rate (`option` null), a factor from 0 whose largest value is 1.
bool accepts_schedule(const OptionInfo* option, const Schedule& schedule);

}  // namespace switchyard
