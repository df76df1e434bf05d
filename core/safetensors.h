#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostics.h"
#include "core/name_index.h"

namespace switchyard {

/// The safetensors container without tensors: what stands in the header of a file, and how to write one.
///
/// A file is 8 bytes (length N of the header, little-endian), N bytes of JSON that start with '{' and may be padded
/// with spaces, and the data: {"__metadata__": {string: string}, "<name>": {"dtype", "shape", "data_offsets": [begin,
/// end)}, ...}. Offsets count from the start of the data; the ranges cover the data without holes, overlaps or trailing
/// bytes. Format: github.com/huggingface/safetensors.

/// One tensor of a file.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;                ///< the format's name: "F32", "BF16", "U8" ...
  std::vector<std::int64_t> shape;  ///< [] for a scalar
  std::int64_t begin = 0;           ///< first byte, counted from the start of the data
  std::int64_t end = 0;             ///< one past the last byte

  std::int64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< in the order of their data
  std::map<std::string, std::string> metadata;
  std::int64_t data_start = 0;  ///< offset of the data in the file
  NameIndex names;              ///< of `entries`; the readers below fill it

  /// The entry of this name, or null. Without an index of names as long as the entries it looks at each of them.
  const SafetensorsEntry* find(std::string_view name) const;
};

/// The longest header that is read or written, in bytes (the reference's limit).
constexpr std::int64_t safetensors_header_limit = 100'000'000;

/// Bits an element ("F4" has 4, "F6_E2M3" 6); 0 for a name that the format does not have.
int safetensors_bits(std::string_view dtype);
/// Every dtype of the format, in the order of rising alignment by which files are laid out.
const std::vector<std::string>& safetensors_dtypes();

/// Checks a header. `text` holds the first bytes of a file, at least up to the end of the header; `file_size` is the
/// size of all of it. Everything wrong is added to `diagnostics`, each with the entry's name as subject, and then
/// nothing is returned: unreadable or too short (SWY-3001), header length (SWY-3002), not JSON (SWY-3003), duplicate
/// key (SWY-3004), shape of an entry or of the metadata (SWY-3005), unknown dtype (SWY-3006), shape (SWY-3007), offsets
/// (SWY-3008), holes, overlaps and trailing bytes (SWY-3009).
std::optional<SafetensorsHeader> parse_safetensors_header(std::string_view text, std::int64_t file_size,
                                                          const std::string& file, Diagnostics& diagnostics);

/// Reads and checks the header of a file; reads no data. A file that cannot be opened or is not a regular one is
/// SWY-3001.
std::optional<SafetensorsHeader> read_safetensors_header(const std::string& path, Diagnostics& diagnostics);

/// Puts entries into the order in which the reference writes them (descending alignment of the dtype, then name) and
/// fills begin and end from dtype and shape. Throws CheckpointError, naming the entry, for what a reader would refuse:
/// a duplicate or reserved name, one that is not UTF-8, an unknown dtype, a size that is negative, too large, or not a
/// whole number of bytes.
std::vector<SafetensorsEntry> lay_out_safetensors(std::vector<SafetensorsEntry> entries);

/// The first bytes of a file with these entries (as `lay_out_safetensors` returned them): length, JSON, and spaces so
/// that the data starts at a multiple of 8. The data of the entries follows in the same order. Throws CheckpointError
/// if it becomes too long.
std::string make_safetensors_header(const std::vector<SafetensorsEntry>& entries,
                                    const std::map<std::string, std::string>& metadata);

}  // namespace switchyard
