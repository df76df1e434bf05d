#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/diagnostics.h"
#include "core/json.h"
#include "core/parameter_table.h"

namespace switchyard {

/// A model described by a file: names, shapes, dtypes and ties, no weights.
///   {"switchyard_manifest": 1, "$schema"?: str, "model": str, "source"?: str, "parameters":
///    [{"names": [str+], "shape": [int*], "dtype": str, "requires_grad"?: bool, "module"?: str,
///      "storage"?: {"id": str, "offset": int, "strides": [int*]}}*]}
/// `names`: all names of the tensor, the display name first. Without `storage`, entries are distinct tensors.
struct Manifest {
  std::string model;
  std::string source;
  ParameterTable table;
};

/// Reads a manifest as strictly as a spec (unknown keys, types, duplicates, negative sizes: all reported, with places)
/// and builds its table; nothing is returned if there is an error.
std::optional<Manifest> read_manifest(std::string_view text, const std::string& file, Diagnostics& diagnostics);

/// The table alone.
std::optional<ParameterTable> parse_manifest(std::string_view text, const std::string& file, Diagnostics& diagnostics);

/// The document that `read_manifest` reads back as the same table.
Json manifest_json(const ParameterTable& table, const std::string& model, const std::string& source);

}  // namespace switchyard
