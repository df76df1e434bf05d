#include "rules/manifest.h"

#include "cli/files.h"
#include "cli/verbs.h"

namespace switchyard::cli {

Report manifest(const ModelPaths& model, Format format) {
  Report report;
  Sources sources;
  Diagnostics diagnostics;
  const auto read = read_model(model, sources, diagnostics);
  report.exit = read.unreadable ? usage : diagnostics.has_errors() ? wrong_input : fine;
  if (read.model) {
    report.out = document(manifest_json(read.model->table, read.model->name, read.model->source));
  } else if (format == Format::json) {
    report.out = document(error_document(diagnostics, sources));
  }
  if (format == Format::text) report.err = diagnostics_text(diagnostics, sources);
  return report;
}

}  // namespace switchyard::cli
