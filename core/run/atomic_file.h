#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard {

/// A file that appears whole or not at all: written under a temporary name in the same folder, synced, then renamed
/// (and the folder synced) by commit. Without commit the temporary file is removed. Throws CheckpointError naming the
/// file and the system's reason. Small writes are collected: it makes no difference how a text is cut into them.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  void put(const char* at, std::size_t bytes);
  void put_collected();

  std::string path_;
  std::string temporary_;
  std::string collected_;
  int file_ = -1;
};

/// Makes the folder and its parents where missing. Throws CheckpointError.
void make_folder(const std::string& path);

/// 64-bit checksum of bytes; detects flipped and lost bytes, is not cryptographic. Feed pieces in order; pieces must be
/// multiples of 8 bytes except the last.
class Checksum {
 public:
  void add(const void* data, std::size_t bytes);
  std::string hex() const;

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15ULL;
  std::uint64_t length_ = 0;
};

}  // namespace switchyard
