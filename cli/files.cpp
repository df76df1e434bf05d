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
#include <memory>
#include <string_view>

#include "cli/report.h"
#include "core/error.h"
#include "core/json.h"
#include "core/run/atomic_file.h"
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
      size_ = info.st_size;
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (handle_ >= 0) ::close(handle_);
  }
  bool good() const { return handle_ >= 0; }
  std::int64_t size() const { return size_; }

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

  /// Bytes [offset, offset + length); fewer where they cannot be read.
  std::string read_at(std::int64_t offset, std::int64_t length) const {
    std::string out(static_cast<std::size_t>(length), '\0');
    std::size_t at = 0;
    while (at < out.size()) {
      const auto got = ::pread(handle_, out.data() + at, out.size() - at, offset + static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      at += static_cast<std::size_t>(got);
    }
    out.resize(at);
    return out;
  }

 private:
  int handle_ = -1;
  std::int64_t size_ = 0;
};

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

OpenedFile open_file(const std::string& path, Diagnostics& diagnostics) {
  const auto file = std::make_shared<const File>(path, diagnostics);
  if (!file->good()) return {std::nullopt, true};
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
