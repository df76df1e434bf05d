#pragma once

#include <string>
#include <vector>

#include "cli/report.h"

namespace switchyard::cli {

/// Parses a command line (without the program's name) and runs its verb. Reports every failure: usage errors and files
/// that cannot be opened with exit 2, errors of ours that reach this far with exit 1, anything else with exit 70.
Report run(const std::vector<std::string>& arguments);

/// Writes a report to stdout and stderr and returns the exit status. A reader that went away (`| head`) is no error.
int print(const Report& report);

}  // namespace switchyard::cli
