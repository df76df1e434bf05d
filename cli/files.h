#pragma once

#include <optional>
#include <string>

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "rules/spec_files.h"

namespace switchyard::cli {

/// A file that cannot be opened or is not a regular file is SWY-0001; then `unreadable` is set, which means exit 2.
struct ReadResult {
  std::optional<std::string> text;
  bool unreadable = false;
};

/// The bytes of a regular file, at most one more than a JSON document may have. Folders, pipes and devices are refused
/// unopened.
ReadResult read_file(const std::string& path, Diagnostics& diagnostics);

/// The path as it is printed and keyed in Sources: bytes that are not UTF-8 are escaped.
std::string shown_path(const std::string& path);

/// Writes a file whole or not at all; devices and folders are refused. Throws UsageError naming it.
void write_whole(const std::string& path, const std::string& text);

/// A model: a manifest, or the header of a safetensors file.
struct Model {
  std::string name;
  std::string source;
  ParameterTable table;
};
struct ModelResult {
  std::optional<Model> model;
  bool unreadable = false;
};
/// Adds the text of a manifest to `sources`. A file whose first 8 bytes hold a NUL, or that is named .safetensors, is
/// read as that.
ModelResult read_model(const std::string& path, Sources& sources, Diagnostics& diagnostics);

}  // namespace switchyard::cli
