#include "core/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace switchyard {

RegularFile::RegularFile(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) {
    problem_ = std::strerror(errno);
  } else if (S_ISDIR(info.st_mode)) {
    problem_ = "it is a folder";
  } else if (!S_ISREG(info.st_mode)) {
    problem_ = "it is not a regular file";
  } else {
    handle_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (handle_ < 0) problem_ = std::strerror(errno);
    size_ = info.st_size;
  }
}

RegularFile::~RegularFile() {
  if (handle_ >= 0) ::close(handle_);
}

std::string RegularFile::read(std::size_t limit) const {
  std::string out;
  out.reserve(std::min(limit, static_cast<std::size_t>(size_)));
  std::array<char, 1 << 16> buffer;
  while (out.size() < limit) {
    const auto got = ::read(handle_, buffer.data(), std::min(buffer.size(), limit - out.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return out;
}

std::string RegularFile::read_at(std::int64_t offset, std::int64_t length) const {
  std::string out(static_cast<std::size_t>(length), '\0');
  out.resize(read_at(offset, out.data(), out.size()));
  return out;
}

std::size_t RegularFile::read_at(std::int64_t offset, void* to, std::size_t length) const {
  std::size_t at = 0;
  while (at < length) {
    const auto got = ::pread(handle_, static_cast<char*>(to) + at, length - at, offset + static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    at += static_cast<std::size_t>(got);
  }
  return at;
}

}  // namespace switchyard
