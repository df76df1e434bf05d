#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace switchyard {

/// A regular file, open for reading. Folders, pipes and devices are refused unopened: to open one can block or have
/// effects. The handle is closed at the end.
class RegularFile {
 public:
  explicit RegularFile(const std::string& path);
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;
  ~RegularFile();

  bool good() const { return handle_ >= 0; }
  /// Why it is not good: "it is a folder", "No such file or directory".
  const std::string& problem() const { return problem_; }

  /// The next bytes, up to `limit`; fewer at the end of the file.
  std::string read(std::size_t limit) const;
  /// Bytes [offset, offset + length); fewer where they cannot be read.
  std::string read_at(std::int64_t offset, std::int64_t length) const;
  /// The same into memory of the caller; how many bytes there were.
  std::size_t read_at(std::int64_t offset, void* to, std::size_t length) const;
  std::int64_t size() const { return size_; }  ///< in bytes, when it was opened

 private:
  int handle_ = -1;
  std::int64_t size_ = 0;
  std::string problem_;
};

}  // namespace switchyard
