#include "core/run/checkpoint_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/regular_file.h"
#include "core/run/atomic_file.h"
#include "core/run/checkpoint_index.h"

namespace switchyard {

namespace {

constexpr std::string_view digits = "0123456789";

/// Takes `text` from the front; false if it does not stand there.
bool take(std::string_view& rest, std::string_view text) {
  if (rest.substr(0, text.size()) != text) return false;
  rest.remove_prefix(text.size());
  return true;
}

/// Takes as many of `allowed` as stand in front; false if there is none.
bool take_some(std::string_view& rest, std::string_view allowed) {
  const auto length = std::min(rest.find_first_not_of(allowed), rest.size());
  rest.remove_prefix(length);
  return length > 0;
}

/// "state-12-0123abcd.safetensors", "state-12-0123abcd.1.safetensors".
bool is_data_name(std::string_view rest) {
  if (!take(rest, "state-") || !take_some(rest, digits) || !take(rest, "-")) return false;
  const auto before = rest.size();
  if (!take_some(rest, "0123456789abcdef") || before - rest.size() != 8) return false;
  if (rest == ".safetensors") return true;
  return take(rest, ".") && take_some(rest, digits) && rest == ".safetensors";
}

/// What AtomicFile writes under before it renames: "index.json.4711.tmp".
bool is_temporary_name(std::string_view name) {
  constexpr std::string_view suffix = ".tmp";
  if (name.size() <= suffix.size() || name.substr(name.size() - suffix.size()) != suffix) return false;
  name.remove_suffix(suffix.size());
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot + 1 == name.size()) return false;
  if (name.substr(dot + 1).find_first_not_of(digits) != std::string_view::npos) return false;
  const auto written = name.substr(0, dot);
  return written == "index.json" || is_data_name(written);
}

std::vector<std::string> regular_files(const std::string& path) {
  std::vector<std::string> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    std::error_code unknown;
    if (at->symlink_status(unknown).type() == std::filesystem::file_type::regular)
      out.push_back(at->path().filename().string());
  }
  return out;
}

/// The text of the index, "" if there is none; nothing if it cannot be read.
std::optional<std::string> index_text(const std::string& path) {
  const auto index = CheckpointIndex::path_in(path);
  if (::access(index.c_str(), F_OK) != 0) return errno == ENOENT ? std::optional<std::string>("") : std::nullopt;
  const RegularFile file(index);
  if (!file.good()) return std::nullopt;
  auto text = file.read_at(0, file.size());
  if (static_cast<std::int64_t>(text.size()) != file.size()) return std::nullopt;
  return text;
}

/// Also a damaged index names its data, and naming is all that is asked for here.
bool names(const std::string& index, const std::string& file) {
  return index.find("\"" + file + "\"") != std::string::npos;
}

std::string lock_in(const std::string& path) { return path + "/save.lock"; }

}  // namespace

CheckpointFolder::CheckpointFolder(std::string path) : path_(std::move(path)) {
  make_folder(path_);
  const auto name = lock_in(path_);
  while (lock_ < 0) {
    const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file < 0) throw CheckpointError(fmt::format("cannot create {}: {}", name, std::strerror(errno)));
    if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      ::close(file);
      if (reason == EINTR) continue;
      if (reason != EWOULDBLOCK) break;  // no locks here
      throw CheckpointError(
          fmt::format("another writer is saving into {} (it holds {}): two runs need two folders", path_, name));
    }
    // Whoever held it before may have removed it between our two calls: then it is not the file of that name any more.
    struct stat held = {};
    struct stat named = {};
    const bool same = ::fstat(file, &held) == 0 && ::stat(name.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
                      held.st_dev == named.st_dev;
    if (same) {
      lock_ = file;
    } else {
      ::close(file);
    }
  }
  auto files = data_files();
  const auto index = files.empty() ? std::nullopt : index_text(path_);
  for (auto& file : files) {
    if (index && names(*index, file)) named_before_.push_back(std::move(file));
  }
}

CheckpointFolder::~CheckpointFolder() {
  ::unlink(lock_in(path_).c_str());
  if (lock_ < 0) return;
  ::flock(lock_, LOCK_UN);  // a child that was forked meanwhile has the file open, too
  ::close(lock_);
}

std::vector<std::string> CheckpointFolder::data_files() const {
  auto files = regular_files(path_);
  files.erase(std::remove_if(files.begin(), files.end(), [](const auto& name) { return !is_data_name(name); }),
              files.end());
  return files;
}

void CheckpointFolder::clear() const {
  const auto remove = [&](const std::string& name) { ::unlink((path_ + "/" + name).c_str()); };
  if (lock_ >= 0) {
    for (const auto& name : regular_files(path_)) {
      if (is_temporary_name(name)) remove(name);
    }
  }
  const auto files = lock_ >= 0 ? data_files() : named_before_;
  const auto index = files.empty() ? std::nullopt : index_text(path_);
  for (const auto& name : files) {
    if (index && !names(*index, name)) remove(name);
  }
}

std::string CheckpointFolder::new_data_name(std::int64_t t, const std::string& state_hash) const {
  const auto stem = fmt::format("state-{}-{}", t, state_hash.substr(0, 8));
  auto name = stem + ".safetensors";
  for (int copy = 1; ::access((path_ + "/" + name).c_str(), F_OK) == 0; ++copy)
    name = fmt::format("{}.{}.safetensors", stem, copy);
  return name;
}

}  // namespace switchyard
