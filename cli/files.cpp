#include "cli/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "cli/report.h"
#include "core/error.h"
#include "core/json.h"
#include "core/run/atomic_file.h"
#include "core/safetensors.h"
#include "rules/manifest.h"
#include "rules/manifest_safetensors.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

/// An open regular file; -1 after a complaint.
class File {
 public:
  File(const std::string& path, Diagnostics& diagnostics) {
    const auto complain = [&](std::string_view why) {
      diagnostics.error("SWY-0001", fmt::format("cannot read {}: {}", shown_path(path), why));
    };
    struct stat info = {};
    // Looked at before it is opened: opening a pipe or a device can block or have effects.
    if (::stat(path.c_str(), &info) != 0) {
      complain(std::strerror(errno));
    } else if (S_ISDIR(info.st_mode)) {
      complain("it is a folder");
    } else if (!S_ISREG(info.st_mode)) {
      complain("it is not a regular file");
    } else {
      handle_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      if (handle_ < 0) complain(std::strerror(errno));
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (handle_ >= 0) ::close(handle_);
  }
  bool good() const { return handle_ >= 0; }

  /// Up to `limit` bytes; fewer at the end of the file.
  std::string read(std::size_t limit) const {
    std::string out;
    struct stat info = {};
    if (::fstat(handle_, &info) == 0) out.reserve(std::min(limit, static_cast<std::size_t>(info.st_size)));
    std::array<char, 1 << 16> buffer;
    while (out.size() < limit) {
      const auto got = ::read(handle_, buffer.data(), std::min(buffer.size(), limit - out.size()));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      out.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return out;
  }

 private:
  int handle_ = -1;
};

bool looks_like_safetensors(const std::string& path, std::string_view start) {
  const std::string_view ending = ".safetensors";
  const bool named =
      path.size() >= ending.size() && path.compare(path.size() - ending.size(), ending.size(), ending) == 0;
  // The length of a header is below 2^27, so bytes 4 to 7 are zero; JSON has no zero bytes.
  return named || (start.size() >= 8 && start.substr(0, 8).find('\0') != std::string_view::npos);
}

}  // namespace

SpecFiles spec_files(Sources& sources) {
  return {[](const std::string& path) {
            Diagnostics ignored;  // parse_spec says what cannot be read
            return read_file(path, ignored).text;
          },
          &sources};
}

std::string shown_path(const std::string& path) { return printable(path); }

ReadResult read_file(const std::string& path, Diagnostics& diagnostics) {
  const File file(path, diagnostics);
  if (!file.good()) return {std::nullopt, true};
  return {file.read(JsonLimits{}.bytes + 1), false};
}

ModelResult read_model(const std::string& path, Sources& sources, Diagnostics& diagnostics) {
  std::string start;
  {
    const File file(path, diagnostics);
    if (!file.good()) return {std::nullopt, true};
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
