#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace switchyard {

/// The text behind a raw DEFLATE stream (RFC 1951), which must give exactly `size` bytes and end with its last block;
/// nothing if it does not or is damaged. Memory and time are bounded by `size` and the length of the input, so a small
/// input that unfolds to gigabytes stops at `size`.
std::optional<std::string> inflate(std::string_view deflated, std::size_t size);

/// CRC-32 (ISO 3309, as zip has it).
std::uint32_t crc32(std::string_view text);

}  // namespace switchyard
