#include "cli/plugin_files.h"

#include "cli/files.h"
#include "rules/plugins_json.h"

namespace switchyard::cli {

std::optional<Report> load_plugin_files(const std::vector<std::string>& files, Format format, Registry& registry) {
  Sources sources;
  Diagnostics diagnostics;
  bool unreadable = false;
  for (const auto& path : files) {
    const auto read = read_file(path, diagnostics);
    unreadable = unreadable || read.unreadable;
    if (!read.text) continue;
    const auto file = shown_path(path);
    load_plugins(sources[file] = *read.text, file, registry, diagnostics);
  }
  if (!diagnostics.has_errors()) return std::nullopt;
  Report report;
  report.exit = unreadable ? usage : wrong_input;
  report.err = diagnostics_text(diagnostics, sources);
  if (format == Format::json) {
    report.err.clear();
    report.out = document(error_document(diagnostics, sources));
  }
  return report;
}

}  // namespace switchyard::cli
