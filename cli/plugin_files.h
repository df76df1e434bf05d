#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/report.h"
#include "core/registry.h"

namespace switchyard::cli {

/// Adds the plugins that files describe (rules/plugins_json.h). A report of everything that is wrong with the files, if
/// anything is.
std::optional<Report> load_plugin_files(const std::vector<std::string>& files, Format format, Registry& registry);

}  // namespace switchyard::cli
