#include "cli/files.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string_view>

#include "cli/report.h"
#include "core/error.h"
#include "core/json.h"
#include "core/regular_file.h"
#include "core/run/atomic_file.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

/// Says why it cannot be read, if so.
bool readable(const RegularFile& file, const std::string& path, Diagnostics& diagnostics) {
  if (!file.good()) diagnostics.error("SWY-0001", fmt::format("cannot read {}: {}", shown_path(path), file.problem()));
  return file.good();
}

}  // namespace

std::string shown_path(const std::string& path) { return printable(path); }

ReadResult read_file(const std::string& path, Diagnostics& diagnostics) {
  const RegularFile file(path);
  if (!readable(file, path, diagnostics)) return {std::nullopt, true};
  return {file.read(JsonLimits{}.bytes + 1), false};
}

OpenedFile open_file(const std::string& path, Diagnostics& diagnostics) {
  const auto file = std::make_shared<const RegularFile>(path);
  if (!readable(*file, path, diagnostics)) return {std::nullopt, true};
  return {ByteSource{file->size(),
                     [file](std::int64_t offset, std::int64_t length) { return file->read_at(offset, length); }},
          false};
}

void write_whole(const std::string& path, const std::string& text) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  // A file is put in place by renaming, which would replace a device or a pipe.
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    throw UsageError(fmt::format("cannot write {}: it is not a regular file", shown_path(path)));
  try {
    AtomicFile file(path);
    file.write(text);
    file.commit();
  } catch (const CheckpointError& error) {
    throw UsageError(fmt::format("cannot write {}: {}", shown_path(path), error.what()));
  }
}

}  // namespace switchyard::cli
