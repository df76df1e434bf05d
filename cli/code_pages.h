#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace switchyard::cli {

/// The sections of docs/diagnostics.md as they were when this was built: code and Markdown text, in the order of the
/// file.
const std::vector<std::pair<std::string_view, std::string_view>>& code_pages();

}  // namespace switchyard::cli
