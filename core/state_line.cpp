#include <array>
#include <cctype>
#include <string_view>

#include "core/plan.h"
#include "core/sha256.h"

namespace switchyard {

namespace {

/// What the numbers meant. 1 were codes of a byte, which only plugins of tests had.
constexpr std::array<std::string_view, 9> shapes_by_number = {"like_param",    "",           "per_chunk", "per_out_row",
                                                              "per_in_column", "out_by_out", "in_by_in",  "per_block",
                                                              "block_matrix"};

/// Where the quoted key at the beginning of a line ends: it may hold anything.
std::size_t end_of_key(const std::string& line) {
  if (line.empty() || line.front() != '"') return 0;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      return i + 1;
    }
  }
  return line.size();
}

}  // namespace

std::string upgraded_state_line(const std::string& line) {
  const auto start = end_of_key(line);
  auto out = line.substr(0, start);
  for (auto i = start; i < line.size(); ++i) {
    const bool number =
        line[i] == '#' && i + 1 < line.size() && std::isdigit(static_cast<unsigned char>(line[i + 1])) != 0;
    const auto which = number ? static_cast<std::size_t>(line[i + 1] - '0') : shapes_by_number.size();
    if (which < shapes_by_number.size() && !shapes_by_number[which].empty()) {
      out += ':';
      out += shapes_by_number[which];
      out += ":work";
      ++i;
    } else {
      out += line[i];
    }
  }
  return out;
}

std::string hash_of_state(const std::map<std::string, std::string>& lines) {
  std::string text;
  for (const auto& [key, line] : lines) {
    text += line;
    text += '\n';
  }
  return sha256(text);
}

}  // namespace switchyard
