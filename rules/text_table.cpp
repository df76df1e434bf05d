#include "rules/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace switchyard {

namespace {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 1;
  bool valid = false;
};

CodePoint decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto first = byte(at);
  if (first < 0x80) return {first, 1, true};
  const std::size_t length = first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (length == 0 || at + length > text.size()) return {first, 1, false};
  std::uint32_t code = first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (byte(at + i) >> 6 != 2) return {first, 1, false};
    code = code << 6 | (byte(at + i) & 0x3fU);
  }
  constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {first, 1, false};
  return {code, length, true};
}

bool within(std::uint32_t code, std::uint32_t low, std::uint32_t high) { return code >= low && code <= high; }

std::size_t width_of(std::uint32_t code) {
  const bool combining = within(code, 0x300, 0x36f) || within(code, 0x1ab0, 0x1aff) || within(code, 0x20d0, 0x20ff) ||
                         within(code, 0x200b, 0x200f) || within(code, 0xfe00, 0xfe0f);
  const bool wide = within(code, 0x1100, 0x115f) || within(code, 0x2e80, 0xa4cf) || within(code, 0xac00, 0xd7a3) ||
                    within(code, 0xf900, 0xfaff) || within(code, 0xfe30, 0xfe6f) || within(code, 0xff00, 0xff60) ||
                    within(code, 0x1f300, 0x1f64f) || within(code, 0x1f900, 0x1f9ff) || within(code, 0x20000, 0x3fffd);
  return combining ? 0 : wide ? 2 : 1;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto code = decode(text, at);
    width += code.valid ? width_of(code.value) : 1;
    at += code.length;
  }
  return width;
}

std::string TextTable::text(std::size_t indent) const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& cells : rows_) {
    for (std::size_t i = 0; i < cells.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], display_width(cells[i]));
  }
  std::string out;
  for (const auto& cells : rows_) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const auto width = display_width(cells[i]);
      const std::string padding(i < widths.size() && widths[i] > width ? widths[i] - width : 0, ' ');
      if (i > 0) line += "  ";
      const bool right = i < columns_.size() && columns_[i] == Align::right;
      line += right ? padding + cells[i] : cells[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string grouped(long long value) {
  auto digits = std::to_string(value);
  const std::size_t sign = value < 0 ? 1 : 0;
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > static_cast<std::ptrdiff_t>(sign); at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return digits;
}

std::string bytes_text(long long bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::string counted(long long count, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(count), noun, count == 1 ? "" : "s");
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto code = decode(text, at);
    if (!code.valid || code.value < 0x20 || within(code.value, 0x7f, 0x9f)) {
      for (std::size_t i = 0; i < code.length; ++i)
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at + i]));
    } else {
      out += text.substr(at, code.length);
    }
    at += code.length;
  }
  return out;
}

}  // namespace switchyard
