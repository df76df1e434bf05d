#include "core/plan.h"

#include <fmt/format.h>

#include <optional>

#include "cli/compare.h"
#include "cli/inputs.h"
#include "cli/verbs.h"
#include "rules/lock.h"
#include "rules/plan_html.h"
#include "rules/plan_text.h"
#include "rules/takers.h"

namespace switchyard::cli {

namespace {

Report show(Inputs& inputs, const PlanRequest& request, Format format, const Registry& registry) {
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
  options.spec_file = shown_path(request.spec);
  options.model_file = shown_model(request.model);
  options.machine = request.machine;
  if (request.html) {
    auto& made = *inputs.plan;
    made.diagnostics = inputs.diagnostics;
    const auto losses = losses_of(*inputs.spec, inputs.model->table, made);
    report.out = plan_html(made, registry, inputs.sources, losses, options);
    return report;
  }
  report.out = plan_text(*inputs.plan, registry, inputs.model->table, options);
  return report;
}

}  // namespace

Report plan(const PlanRequest& request, Format format, const Registry& registry) {
  if (request.html && !request.against.empty()) throw UsageError("--against prints text or json, not html");
  auto inputs = read_inputs(request.spec, request.model, registry);
  std::optional<PlanDocument> before;
  if (!request.against.empty()) {
    const auto file = read_compared(request.against, inputs.sources, inputs.diagnostics);
    inputs.unreadable = inputs.unreadable || file.unreadable;
    if (file.text) before = read_plan_document(*file.text, file.shown, inputs.diagnostics);
  }
  const bool good = inputs.plan && inputs.exit() == fine;
  Report report;
  if (good && before) {
    report = comparison(*before, document_of(*inputs.plan, registry, shown_path(request.spec)), format,
                        inputs.diagnostics, inputs.sources);
  } else if (request.against.empty()) {
    report = show(inputs, request, format, registry);
  } else {
    report.exit = inputs.exit();
    if (format == Format::json) {
      report.out = document(error_document(inputs.diagnostics, inputs.sources));
    } else {
      report.err = diagnostics_text(inputs.diagnostics, inputs.sources);
    }
  }
  if (good && !request.lock.empty()) {
    const auto text = lock_text(*inputs.plan, registry);
    if (text.size() > JsonLimits{}.bytes)
      throw UsageError(fmt::format("the lock would have {} bytes, more than can be read again", text.size()));
    write_whole(request.lock, text);
    if (format == Format::text && !request.html) report.out += fmt::format("lock   {}\n", shown_path(request.lock));
  }
  if (!request.output.empty() && (report.exit == fine || report.exit == differs)) {
    write_whole(request.output, report.out);
    report.out.clear();
  }
  return report;
}

}  // namespace switchyard::cli
