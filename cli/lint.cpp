#include "rules/lint.h"

#include <fmt/format.h>

#include "cli/inputs.h"
#include "cli/verbs.h"
#include "rules/codes.h"
#include "rules/lint_names.h"
#include "rules/policy.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

/// Which lints say less without a model, and which say nothing.
std::string without_model() {
  std::string out = "without --model, by the words of names only:";
  for (const auto& code : lints_by_name()) out += " " + code;
  out += "\nnot run without --model:\n";
  for (const auto& code : lints_by_model()) out += fmt::format("  {}  {}\n", code, meaning_of(code));
  return out;
}

}  // namespace

Report lint_spec(const std::string& spec, const ModelPaths& model, std::optional<std::int64_t> max_warnings,
                 Format format, const Registry& registry) {
  auto inputs = read_inputs(spec, model, registry);
  const bool alone = model.empty();
  if (inputs.plan || (alone && inputs.spec)) {
    const auto found =
        alone ? lint_names(*inputs.spec, registry) : lint(*inputs.spec, inputs.model->table, *inputs.plan, registry);
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
    auto by_name = Json::array();
    auto not_run = Json::array();
    for (const auto& code : lints_by_name()) {
      if (alone) by_name.push(Json::string(code));
    }
    for (const auto& code : lints_by_model()) {
      if (alone) not_run.push(Json::string(code));
    }
    json.set("by_name_only", std::move(by_name));
    json.set("not_run", std::move(not_run));
    json.set("diagnostics", diagnostics_json(inputs.diagnostics, inputs.sources));
    report.out = document(json);
    return report;
  }
  report.err = diagnostics_text(inputs.diagnostics, inputs.sources);
  if (!inputs.plan && !(alone && report.exit != usage && inputs.spec)) return report;
  report.out = fmt::format("{}: {}, {}{}\n", shown_path(spec), counted(warnings, "warning"), counted(notes, "note"),
                           too_many ? fmt::format("; at most {} allowed", *max_warnings) : "");
  if (alone) report.out += without_model();
  return report;
}

}  // namespace switchyard::cli
