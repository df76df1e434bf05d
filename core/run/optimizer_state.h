#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace switchyard {

/// State tensors by checkpoint name, as state() lists them.
using StateTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// All that a checkpoint holds, in memory: what snapshot() returns and load_state() takes. Plain values, so that other
/// languages can carry them.
struct OptimizerState {
  StateTensors tensors;
  /// What else a checkpoint knows: applied, called and skipped steps, rates and options planned and as of then, the
  /// plan. The JSON text of an index.json without the data file; it carries its own checksum. "": tensors alone.
  std::string index;
};

/// How state finds its way into a plan that is not the one that was saved. Without options names and dtypes must agree.
struct LoadOptions {
  /// Saved parameters under new names, first match first: {"encoder.weight", "net.encoder.weight"} one parameter;
  /// {"module.", ""} or {"encoder.", "net.encoder."} everything with this beginning (both sides end with a dot or are
  /// empty). A pair that matches nothing is an error.
  std::vector<std::pair<std::string, std::string>> rename{};
  /// Lets a parameter have another floating dtype than it had. Its state is converted with one rounding (a value that
  /// would become infinite is an error); a master copy that only the new plan has starts as the parameter's value, one
  /// that only the checkpoint has is left out. All of it is reported.
  bool convert_dtype = false;
};

/// What load found to differ without being a reason to refuse.
struct LoadReport {
  std::vector<std::string> notes;
};

}  // namespace switchyard
