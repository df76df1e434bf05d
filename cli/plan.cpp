#include "core/plan.h"

#include "cli/inputs.h"
#include "cli/verbs.h"
#include "rules/plan_text.h"

namespace switchyard::cli {

Report plan(const std::string& spec, const std::string& model, Format format, const Registry& registry) {
  auto inputs = read_inputs(spec, model, registry);
  Report report;
  report.exit = inputs.exit();
  if (format == Format::json) {
    Plan empty;  // on failure the same document, with empty hashes and no parameters
    auto& made = inputs.plan ? *inputs.plan : empty;
    made.diagnostics = inputs.diagnostics;
    report.out = document(to_json(made, inputs.sources));
    return report;
  }
  report.err = diagnostics_text(inputs.diagnostics, inputs.sources);
  if (!inputs.plan) return report;
  PlanTextOptions options;
  options.spec_file = shown_path(spec);
  options.model_file = shown_path(model);
  report.out = plan_text(*inputs.plan, registry, inputs.model->table, options);
  return report;
}

}  // namespace switchyard::cli
