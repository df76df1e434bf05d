#include "rules/lint.h"

#include <fmt/format.h>

#include "cli/inputs.h"
#include "cli/verbs.h"
#include "rules/policy.h"
#include "rules/text_table.h"

namespace switchyard::cli {

Report lint_spec(const std::string& spec, const ModelPaths& model, std::optional<std::int64_t> max_warnings,
                 Format format, const Registry& registry) {
  auto inputs = read_inputs(spec, model, registry);
  if (inputs.plan) {
    const auto found = lint(*inputs.spec, inputs.model->table, *inputs.plan, registry);
    inputs.diagnostics.append(under_policy(inputs.spec->policy, found));
    inputs.diagnostics.sort();
  }
  const auto warnings = static_cast<std::int64_t>(inputs.diagnostics.count(Severity::warning));
  const auto notes = static_cast<std::int64_t>(inputs.diagnostics.count(Severity::note));
  const bool too_many = max_warnings && warnings > *max_warnings;
  Report report;
  report.exit = inputs.exit();
  if (report.exit == fine && too_many) report.exit = wrong_input;
  if (format == Format::json) {
    auto json = Json::object();
    json.set("switchyard_lint", Json::integer(1));
    json.set("warnings", Json::integer(warnings));
    json.set("notes", Json::integer(notes));
    json.set("max_warnings", max_warnings ? Json::integer(*max_warnings) : Json::null());
    json.set("diagnostics", diagnostics_json(inputs.diagnostics, inputs.sources));
    report.out = document(json);
    return report;
  }
  report.err = diagnostics_text(inputs.diagnostics, inputs.sources);
  if (!inputs.plan) return report;
  report.out = fmt::format("{}: {}, {}{}\n", shown_path(spec), counted(warnings, "warning"), counted(notes, "note"),
                           too_many ? fmt::format("; at most {} allowed", *max_warnings) : "");
  return report;
}

}  // namespace switchyard::cli
