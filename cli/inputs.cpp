#include "cli/inputs.h"

#include "cli/report.h"
#include "rules/planner.h"

namespace switchyard::cli {

int Inputs::exit() const { return unreadable ? usage : diagnostics.has_errors() ? wrong_input : fine; }

Inputs read_inputs(const std::string& spec_path, const std::string& model_path, const Registry& registry) {
  Inputs inputs;
  auto& diagnostics = inputs.diagnostics;
  const auto spec_file = shown_path(spec_path);
  const auto read = read_file(spec_path, diagnostics);
  if (read.text) {
    inputs.spec = parse_spec(inputs.sources[spec_file] = *read.text, spec_file, registry, diagnostics,
                             spec_files(inputs.sources));
  }
  auto model = read_model(model_path, inputs.sources, diagnostics);
  inputs.model = std::move(model.model);
  inputs.unreadable = read.unreadable || model.unreadable;
  if (inputs.spec) diagnostics = under_policy(inputs.spec->policy, diagnostics);  // the model's warnings as well
  if (!inputs.spec || !inputs.model || diagnostics.has_errors()) return inputs;
  const auto from_model = diagnostics;  // warnings about the model, which the plan does not hold
  Diagnostics planning;
  inputs.plan = make_plan(*inputs.spec, inputs.model->table, registry, planning);
  diagnostics = from_model;
  const auto& found = inputs.plan ? inputs.plan->diagnostics : planning;
  for (const auto& item : found.items()) {
    // A plan repeats the warnings of its spec, which parse_spec may have reported as well.
    bool known = false;
    for (const auto& other : from_model.items()) {
      known = known || (other.code == item.code && other.message == item.message &&
                        other.place.span.offset == item.place.span.offset);
    }
    if (!known) diagnostics.add(item.severity, item.code, item.message, item.place) = item;
  }
  return inputs;
}

}  // namespace switchyard::cli
