#pragma once

#include <optional>
#include <string>

#include "cli/files.h"
#include "cli/model.h"
#include "core/plan.h"
#include "core/registry.h"
#include "rules/spec.h"

namespace switchyard::cli {

/// What `plan` and `explain` read, with everything that is wrong with it.
struct Inputs {
  Sources sources;
  Diagnostics diagnostics;  ///< of both files, and of the planner
  bool unreadable = false;
  std::optional<Spec> spec;
  std::optional<Model> model;
  std::optional<Plan> plan;  ///< holds its own warnings; `diagnostics` then repeats them

  int exit() const;
};

/// Reads both files (a mistake in one does not hide those of the other) and plans. Without paths of a model only the
/// spec is read.
Inputs read_inputs(const std::string& spec_path, const ModelPaths& model_paths, const Registry& registry);

/// Plans what has been read, under the spec's policy; nothing where spec or model is missing or wrong.
void plan_inputs(Inputs& inputs, const Registry& registry);

/// Adds the findings that are not there yet: a plan repeats the warnings of its spec, two specs those of one model.
void append_new(Diagnostics& to, const Diagnostics& from);

}  // namespace switchyard::cli
