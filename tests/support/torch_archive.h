#pragma once

// Archives as torch writes them, put together byte by byte, so that any of their numbers can lie.

#include <cstdint>
#include <string>
#include <vector>

#include "rules/inflate.h"

namespace switchyard::test {

inline std::string little(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

struct ZipMember {
  std::string name;
  std::string content;
  int method = 0;
  std::string stored = {};  ///< the compressed bytes, for method 8
};

/// A zip file; with `zip64` its sizes stand in extra fields and its end is the long one, as torch writes them.
inline std::string zip_of(const std::vector<ZipMember>& members, bool zip64 = false) {
  std::string out, directory;
  for (const auto& member : members) {
    const auto& bytes = member.method == 0 ? member.content : member.stored;
    const auto crc = little(crc32(member.content), 4);
    const auto header = out.size();
    const auto common = little(0, 2) + little(static_cast<std::uint64_t>(member.method), 2) + little(0, 4) + crc;
    out += "PK\x03\x04" + little(45, 2) + common + little(bytes.size(), 4) + little(member.content.size(), 4) +
           little(member.name.size(), 2) + little(3, 2) + member.name + "FB\x01" + bytes;
    const auto extra = zip64 ? little(1, 2) + little(24, 2) + little(member.content.size(), 8) +
                                   little(bytes.size(), 8) + little(header, 8)
                             : std::string();
    const auto or_far = [&](std::size_t value) { return little(zip64 ? 0xffffffffU : value, 4); };
    directory += "PK\x01\x02" + little(45, 2) + little(45, 2) + common + or_far(bytes.size()) +
                 or_far(member.content.size()) + little(member.name.size(), 2) + little(extra.size(), 2) +
                 little(0, 2) + little(0, 4) + little(0, 4) + or_far(header) + member.name + extra;
  }
  const auto start = out.size();
  const auto count = members.size();
  out += directory;
  if (zip64) {
    const auto end = out.size();
    out += "PK\x06\x06" + little(44, 8) + little(45, 4) + little(0, 8) + little(count, 8) + little(count, 8) +
           little(directory.size(), 8) + little(start, 8);
    out += "PK\x06\x07" + little(0, 4) + little(end, 8) + little(1, 4);
  }
  const auto short_or_far = [&](std::size_t value, int bytes) {
    return little(zip64 ? ~std::uint64_t{0} : value, bytes);
  };
  return out + "PK\x05\x06" + little(0, 4) + short_or_far(count, 2) + short_or_far(count, 2) +
         short_or_far(directory.size(), 4) + short_or_far(start, 4) + little(0, 2);
}

/// Pieces of a pickle of protocol 2.
inline std::string pickle_of(const std::string& value) { return "\x80\x02" + value + "."; }
inline std::string text_of(const std::string& text) { return "X" + little(text.size(), 4) + text; }
inline std::string number_of(std::int64_t value) { return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8); }
inline std::string tuple_of(const std::vector<std::int64_t>& values) {
  std::string out = "(";
  for (const auto value : values) out += number_of(value);
  return out + "t";
}
inline std::string dict_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "}(";
  for (const auto& [key, value] : entries) out += text_of(key) + value;
  return out + "u";
}
inline std::string object_of(const std::string& module, const std::string& name, const std::string& state) {
  return "c" + module + "\n" + name + "\n)\x81" + state + "b";
}
inline std::string tensor_of(const std::string& type, const std::string& key, std::int64_t elements,
                             const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides,
                             bool requires_grad = true, std::int64_t offset = 0) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text_of("storage") + "ctorch\n" + type + "\n" + text_of(key) +
         text_of("cpu") + number_of(elements) + "tQ" + number_of(offset) + tuple_of(shape) + tuple_of(strides) +
         (requires_grad ? "\x88" : "\x89") + "}tR";
}

}  // namespace switchyard::test
