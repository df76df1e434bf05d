#include <fmt/format.h>

#include <optional>
#include <utility>

#include "cli/compare.h"
#include "cli/files.h"
#include "cli/inputs.h"
#include "cli/verbs.h"
#include "core/json.h"

namespace switchyard::cli {

namespace {

DocumentKind kind_of(const ComparedFile& file) {
  if (!file.text) return DocumentKind::unknown;
  Diagnostics ignored;  // whoever reads the file for good reports them
  const auto json = parse_json(*file.text, file.shown, ignored);
  return json ? document_kind(*json) : DocumentKind::unknown;
}

}  // namespace

Report diff(const std::string& a, const std::string& b, const ModelPaths& model_paths, Format format,
            const Registry& registry) {
  Sources sources;
  Diagnostics diagnostics;
  const ComparedFile files[] = {read_compared(a, sources, diagnostics), read_compared(b, sources, diagnostics)};
  const DocumentKind kinds[] = {kind_of(files[0]), kind_of(files[1])};
  bool unreadable = files[0].unreadable || files[1].unreadable;
  const bool specs = kinds[0] == DocumentKind::spec || kinds[1] == DocumentKind::spec;
  if (specs && model_paths.empty()) throw UsageError("a spec is compared on a model: add --model");
  if (!specs && !unreadable && !model_paths.empty())
    throw UsageError("--model is for specs, and neither of the two files is one");
  std::optional<Model> model;
  if (specs) {
    auto read = read_model(model_paths, sources, diagnostics);
    model = std::move(read.model);
    unreadable = unreadable || read.unreadable;
  }
  std::optional<PlanDocument> sides[2];
  std::optional<Spec> parsed[2];
  for (int i = 0; i < 2; ++i) {
    const auto& file = files[i];
    if (!file.text) continue;
    Diagnostics found;
    if (kinds[i] != DocumentKind::spec) {
      sides[i] = read_plan_document(*file.text, file.shown, found);
    } else {
      Inputs inputs;
      inputs.spec = parse_spec(*file.text, file.shown, registry, inputs.diagnostics, spec_files(sources));
      inputs.model = std::move(model);
      plan_inputs(inputs, registry);
      model = std::move(inputs.model);
      found = std::move(inputs.diagnostics);
      if (inputs.plan) sides[i] = document_of(*inputs.plan, registry, file.shown);
      parsed[i] = std::move(inputs.spec);
    }
    append_new(diagnostics, found);
  }
  if (sides[0] && sides[1] && !diagnostics.has_errors()) {
    std::optional<std::vector<SpecDifference>> said;
    if (parsed[0] && parsed[1]) said = compare_specs(*parsed[0], *parsed[1]);
    return comparison(*sides[0], *sides[1], format, diagnostics, sources, said);
  }
  Report report;
  report.exit = unreadable ? usage : wrong_input;
  if (format == Format::json) {
    report.out = document(error_document(diagnostics, sources));
  } else {
    report.err = diagnostics_text(diagnostics, sources);
  }
  return report;
}

}  // namespace switchyard::cli
