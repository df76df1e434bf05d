#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/diagnostics.h"
#include "core/parameter_table.h"

namespace switchyard::cli {

/// The files of one model, in the order of the command line.
using ModelPaths = std::vector<std::string>;

/// A model as its files describe it; of weights nothing is read.
struct Model {
  std::string name;
  std::string source;  ///< what kind of file it was, or what a manifest says
  ParameterTable table;
};
struct ModelResult {
  std::optional<Model> model;
  bool unreadable = false;
};

/// Each path is a manifest, a safetensors file, an index of shards (`weight_map`; its shards are read too) or a file
/// that torch saved (TorchScript, a module, a state_dict): files of torch are known by their first bytes, safetensors
/// by those or their name, indices by `weight_map` or a name that ends in .index.json. Several paths are parts of one
/// model. The texts of manifests and indices go to `sources`.
ModelResult read_model(const ModelPaths& paths, Sources& sources, Diagnostics& diagnostics);

/// "a.safetensors", or "a.safetensors and 2 more".
std::string shown_model(const ModelPaths& paths);

}  // namespace switchyard::cli
