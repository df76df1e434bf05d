#pragma once

#include <optional>
#include <string>

#include "core/diagnostics.h"
#include "rules/byte_source.h"
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

/// A regular file whose bytes are read where they are needed; `source` reads through the open file and may outlive
/// this.
struct OpenedFile {
  std::optional<ByteSource> source;
  bool unreadable = false;
};
OpenedFile open_file(const std::string& path, Diagnostics& diagnostics);

/// The path as it is printed and keyed in Sources: bytes that are not UTF-8 are escaped.
std::string shown_path(const std::string& path);

/// Writes a file whole or not at all; devices and folders are refused. Throws UsageError naming it.
void write_whole(const std::string& path, const std::string& text);

}  // namespace switchyard::cli
