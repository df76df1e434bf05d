#include <fmt/format.h>

#include "cli/inputs.h"
#include "cli/verbs.h"
#include "rules/explain_text.h"
#include "rules/rule_report.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

void unknown_parameter(Inputs& inputs, const std::string& name) {
  auto& finding = inputs.diagnostics.error("SWY-0002", fmt::format("the model has no parameter `{}`", printable(name)));
  std::string list;
  for (const auto& similar : similar_names(inputs.model->table, name))
    list += (list.empty() ? "`" : ", `") + printable(similar) + "`";
  if (!list.empty()) finding.help = "did you mean " + list + "?";
}

void unknown_rule(Inputs& inputs, const std::string& id) {
  std::vector<std::string> ids;
  std::string list;
  for (const auto& rule : inputs.spec->rules) {
    ids.push_back(rule.id);
    list += (list.empty() ? "" : ", ") + printable(rule.id);
  }
  const auto near = nearest(id, ids);
  auto& finding = inputs.diagnostics.error("SWY-3220", fmt::format("the spec has no rule `{}`", printable(id)));
  finding.help = near.empty() ? "its rules are " + list : "did you mean `" + printable(near) + "`?";
}

/// Warnings are about other tensors as well; `plan` prints them. Errors are why there is no plan.
Diagnostics errors_of(const Diagnostics& all) {
  Diagnostics errors;
  for (const auto& item : all.items()) {
    if (item.severity == Severity::error) errors.add(item.severity, item.code, item.message) = item;
  }
  return errors;
}

Json empty_document(const Inputs& inputs) {
  auto json = Json::object();
  json.set("switchyard_explain", Json::integer(1));
  json.set("parameter", Json::null());
  json.set("rules", Json::array());
  json.set("overrides", Json::array());
  json.set("diagnostics", diagnostics_json(inputs.diagnostics, inputs.sources));
  return json;
}

}  // namespace

Report explain(const std::string& spec, const ModelPaths& model, const std::string& parameter, Format format,
               const Registry& registry) {
  auto inputs = read_inputs(spec, model, registry);
  // The trace needs no plan: where planning fails, it is what shows why.
  std::optional<RuleTrace> trace;
  if (inputs.spec && inputs.model) {
    trace = trace_parameter(*inputs.spec, inputs.model->table, registry, parameter);
    if (!trace) unknown_parameter(inputs, parameter);
  }
  Report report;
  report.exit = inputs.exit();
  const auto* planned = trace && inputs.plan ? inputs.plan->find(trace->info.name()) : nullptr;
  const auto* group = planned == nullptr ? nullptr : inputs.plan->find_group(planned->optimizer);
  if (format == Format::json) {
    report.out = document(trace ? explain_json(*trace, planned, group, *inputs.spec, inputs.diagnostics, inputs.sources)
                                : empty_document(inputs));
    return report;
  }
  report.err = diagnostics_text(errors_of(inputs.diagnostics), inputs.sources);
  if (trace) report.out = explain_text(*trace, planned, group, *inputs.spec, registry, inputs.sources);
  return report;
}

Report explain_rule(const std::string& spec, const ModelPaths& model, const std::string& rule, Format format,
                    const Registry& registry) {
  auto inputs = read_inputs(spec, model, registry);
  std::optional<RuleReport> found;
  if (inputs.spec && inputs.model) {
    found = report_rule(*inputs.spec, inputs.model->table, rule);
    if (!found) unknown_rule(inputs, rule);
  }
  Report report;
  report.exit = inputs.exit();
  const auto* planned = inputs.plan ? &*inputs.plan : nullptr;
  if (format == Format::json) {
    report.out = document(found ? rule_report_json(*found, planned, inputs.diagnostics, inputs.sources)
                                : error_document(inputs.diagnostics, inputs.sources));
    return report;
  }
  report.err = diagnostics_text(errors_of(inputs.diagnostics), inputs.sources);
  if (found) report.out = rule_report_text(*found, planned, inputs.sources);
  return report;
}

}  // namespace switchyard::cli
