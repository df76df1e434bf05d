#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// Columns that a terminal shows for a UTF-8 text: one a code point, none for combining marks, two for wide (East
/// Asian, emoji) ones. Bytes that are not UTF-8 count one each.
std::size_t display_width(std::string_view text);

/// Rows of cells, printed in aligned columns two spaces apart, without trailing spaces.
class TextTable {
 public:
  enum class Align : unsigned char { left, right };
  explicit TextTable(std::vector<Align> columns) : columns_(std::move(columns)) {}

  /// A row may have fewer cells than there are columns.
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  std::string text(std::size_t indent = 0) const;

 private:
  std::vector<Align> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "124,439,808".
std::string grouped(long long value);
/// "324.0 MiB"; below 1024 "12 B".
std::string bytes_text(long long bytes);
/// "3 tensors", "1 tensor".
std::string counted(long long count, std::string_view noun);
/// A name as people can read it: control characters and bytes that are not UTF-8 become \x1b.
std::string printable(std::string_view text);

}  // namespace switchyard
