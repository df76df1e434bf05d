#include "cli/inputs.h"

#include <algorithm>

#include "cli/report.h"
#include "rules/planner.h"

namespace switchyard::cli {

int Inputs::exit() const { return unreadable ? usage : diagnostics.has_errors() ? wrong_input : fine; }

Inputs read_inputs(const std::string& spec_path, const ModelPaths& model_paths, const Registry& registry) {
  Inputs inputs;
  auto& diagnostics = inputs.diagnostics;
  const auto spec_file = shown_path(spec_path);
  const auto read = read_file(spec_path, diagnostics);
  if (read.text) {
    inputs.spec = parse_spec(inputs.sources[spec_file] = *read.text, spec_file, registry, diagnostics,
                             spec_files(inputs.sources));
  }
  inputs.unreadable = read.unreadable;
  if (!model_paths.empty()) {
    auto model = read_model(model_paths, inputs.sources, diagnostics);
    inputs.model = std::move(model.model);
    inputs.unreadable = inputs.unreadable || model.unreadable;
  }
  plan_inputs(inputs, registry);
  return inputs;
}

void plan_inputs(Inputs& inputs, const Registry& registry) {
  auto& diagnostics = inputs.diagnostics;
  if (inputs.spec) diagnostics = under_policy(inputs.spec->policy, diagnostics);  // the model's warnings as well
  if (!inputs.spec || !inputs.model || diagnostics.has_errors()) return;
  Diagnostics planning;
  inputs.plan = make_plan(*inputs.spec, inputs.model->table, registry, planning);
  append_new(diagnostics, inputs.plan ? inputs.plan->diagnostics : planning);
}

void append_new(Diagnostics& to, const Diagnostics& from) {
  const auto known = to.items();
  for (const auto& item : from.items()) {
    const bool found = std::any_of(known.begin(), known.end(), [&](const Diagnostic& other) {
      const auto& here = item.place.span;
      const auto& there = other.place.span;
      return other.code == item.code && other.message == item.message && there.file == here.file &&
             there.offset == here.offset;
    });
    if (!found) to.add(item.severity, item.code, item.message, item.place) = item;
  }
}

}  // namespace switchyard::cli
