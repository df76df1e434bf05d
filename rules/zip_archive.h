#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/diagnostics.h"
#include "rules/byte_source.h"

namespace switchyard {

/// One record of a zip archive, as the central directory lists it.
struct ZipRecord {
  std::string name;
  std::int64_t header = 0;  ///< where its local header starts
  std::int64_t size = 0;    ///< bytes of its content
  std::int64_t stored = 0;  ///< bytes that it takes in the file
  int method = 0;           ///< 0 stored, 8 deflated
  std::uint32_t crc = 0;    ///< 0: not computed (torch can leave it out)
  bool encrypted = false;
};

/// The directory of a zip or zip64 file; contents are read one by one and only when asked for. Every number is checked
/// against the size of the file before it is used: a file that lies is an error (SWY-3020), never a read outside it.
class ZipArchive {
 public:
  /// Limits of a directory: what a model of a hundred thousand tensors needs, ten times.
  static constexpr std::int64_t most_records = 1 << 20;
  static constexpr std::int64_t most_directory_bytes = std::int64_t{256} << 20;

  static std::optional<ZipArchive> open(ByteSource source, const std::string& file, Diagnostics& diagnostics);

  const std::vector<ZipRecord>& records() const { return records_; }
  const ZipRecord* find(const std::string& name) const;
  /// The content of a record, decompressed and compared with its checksum. Too large, encrypted, compressed in another
  /// way or damaged: SWY-3021.
  std::optional<std::string> read(const ZipRecord& record, std::int64_t limit, Diagnostics& diagnostics) const;

 private:
  ByteSource source_;
  std::string file_;
  std::int64_t directory_ = 0;  ///< where the central directory starts: contents lie before it
  std::vector<ZipRecord> records_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

}  // namespace switchyard
