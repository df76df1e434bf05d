#include "cli/files.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>

#include "cli/report.h"
#include "core/error.h"
#include "core/json.h"
#include "core/regular_file.h"
#include "core/run/atomic_file.h"
#include "core/safetensors.h"
#include "rules/manifest.h"
#include "rules/manifest_safetensors.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

/// Says why it cannot be read, if so.
bool readable(const RegularFile& file, const std::string& path, Diagnostics& diagnostics) {
  if (!file.good()) diagnostics.error("SWY-0001", fmt::format("cannot read {}: {}", shown_path(path), file.problem()));
  return file.good();
}

bool looks_like_safetensors(const std::string& path, std::string_view start) {
  const std::string_view ending = ".safetensors";
  const bool named =
      path.size() >= ending.size() && path.compare(path.size() - ending.size(), ending.size(), ending) == 0;
  // The length of a header is below 2^27, so bytes 4 to 7 are zero; JSON has no zero bytes.
  return named || (start.size() >= 8 && start.substr(0, 8).find('\0') != std::string_view::npos);
}

}  // namespace

std::string shown_path(const std::string& path) { return printable(path); }

ReadResult read_file(const std::string& path, Diagnostics& diagnostics) {
  const RegularFile file(path);
  if (!readable(file, path, diagnostics)) return {std::nullopt, true};
  return {file.read(JsonLimits{}.bytes + 1), false};
}

ModelResult read_model(const std::string& path, Sources& sources, Diagnostics& diagnostics) {
  std::string start;
  {
    const RegularFile file(path);
    if (!readable(file, path, diagnostics)) return {std::nullopt, true};
    start = file.read(8);
  }
  const auto before = diagnostics.count(Severity::error);
  Model model;
  if (looks_like_safetensors(path, start)) {
    const auto header = read_safetensors_header(path, diagnostics);
    if (!header) return {};
    model.table = ParameterTable::build(parameters_of(*header), diagnostics);
    model.name = printable(std::filesystem::path(path).stem().string());
    model.source = "safetensors header";
    if (diagnostics.count(Severity::error) != before) return {};
    return {std::move(model), false};
  }
  auto read = read_file(path, diagnostics);
  if (!read.text) return {std::nullopt, read.unreadable};
  const auto& text = sources[shown_path(path)] = std::move(*read.text);
  auto manifest = read_manifest(text, shown_path(path), diagnostics);
  if (!manifest) return {};
  model.name = std::move(manifest->model);
  model.source = std::move(manifest->source);
  model.table = std::move(manifest->table);
  return {std::move(model), false};
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
