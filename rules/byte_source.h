#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace switchyard {

/// Bytes that are read where they are needed: a file of many gigabytes of which only the directory matters.
struct ByteSource {
  std::int64_t size = 0;
  /// Bytes [offset, offset + length), fewer where they cannot be read. Asked only for ranges inside [0, size).
  std::function<std::string(std::int64_t offset, std::int64_t length)> read;
};

/// A text in memory, which must live as long as the source.
inline ByteSource bytes_of_text(const std::string& text) {
  return {static_cast<std::int64_t>(text.size()), [&text](std::int64_t offset, std::int64_t length) {
            return text.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
          }};
}

}  // namespace switchyard
