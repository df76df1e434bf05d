#include "core/run/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"

namespace switchyard {

namespace {

[[noreturn]] void fail(const char* what, const std::string& path) {
  throw CheckpointError(fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(fmt::format("{}.{}.tmp", path_, ::getpid())) {
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file_ < 0) fail("create", temporary_);
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  constexpr std::size_t enough = std::size_t{1} << 20;
  const auto* at = static_cast<const char*>(data);
  if (collected_.size() + bytes < enough) {
    collected_.append(at, bytes);
    return;
  }
  put_collected();
  put(at, bytes);
}

void AtomicFile::put_collected() {
  put(collected_.data(), collected_.size());
  collected_.clear();
}

void AtomicFile::put(const char* at, std::size_t bytes) {
  while (bytes > 0) {
    const auto written = ::write(file_, at, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", temporary_);
    at += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  put_collected();
  if (::fsync(file_) != 0) fail("sync", temporary_);
  const int file = std::exchange(file_, -1);
  if (::close(file) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    ::unlink(temporary_.c_str());
    errno = reason;
    fail("put in place", path_);
  }
  const auto folder = folder_of(path_);
  const int handle = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) fail("open the folder", folder);
  const bool synced = ::fsync(handle) == 0;
  ::close(handle);
  if (!synced) fail("sync the folder", folder);
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw CheckpointError(fmt::format("cannot make the folder {}: {}", path, error.message()));
}

void Checksum::add(const void* data, std::size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(data);
  length_ += bytes;
  while (bytes > 0) {
    std::uint64_t word = 0;
    const auto take = bytes < 8 ? bytes : 8;
    std::memcpy(&word, at, take);
    // A bijective mix of each word into the state: any single changed word changes the result.
    state_ = std::rotl(state_ ^ word, 29) * 0xbf58476d1ce4e5b9ULL;
    at += take;
    bytes -= take;
  }
}

std::string Checksum::hex() const {
  auto x = state_ ^ length_;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return fmt::format("{:016x}", x ^ (x >> 31));
}

}  // namespace switchyard
