#include "rules/view_drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "rules/plan_text.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

constexpr std::size_t bar_width = 48;
constexpr std::size_t most_pieces = 8;

/// A stretch of an axis.
struct Piece {
  std::string label;
  std::int64_t size = 0;
};

/// The first pieces of an axis in the order of its indices, and how many there are.
struct Pieces {
  std::vector<Piece> first;
  std::int64_t count = 0;

  void add(const std::string& label, std::int64_t size) {
    ++count;
    if (first.size() < most_pieces) first.push_back({label, size});
  }
};

bool has(const std::vector<int>& axes, int axis) { return std::find(axes.begin(), axes.end(), axis) != axes.end(); }

Pieces split_pieces(const MatrixView& view) {
  Pieces out;
  std::int64_t runs = 1;
  for (const auto& part : view.parts) runs = std::max(runs, part.cut.times);
  // Runs beyond the ones that can be shown are counted, not made.
  const auto made = std::min<std::int64_t>(runs, most_pieces);
  for (std::int64_t run = 0; run < made; ++run) {
    for (const auto& part : view.parts) {
      out.add(fmt::format("{} {}", printable(part.name), part.cut.length), part.cut.length);
    }
  }
  out.count = runs * static_cast<std::int64_t>(view.parts.size());
  return out;
}

Pieces equal_pieces(char letter, std::int64_t count, std::int64_t size) {
  Pieces out;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(count, most_pieces); ++i)
    out.add(size == 1 ? fmt::format("{}{}", letter, i) : fmt::format("{}{} {}", letter, i, size), size);
  out.count = count;
  return out;
}

Pieces pieces_of(const MatrixView& view, int axis, std::int64_t size) {
  if (axis == view.split_axis && !view.parts.empty()) return split_pieces(view);
  if (axis == view.heads_axis && view.head_size > 0) return equal_pieces('h', size / view.head_size, view.head_size);
  if (has(view.batch, axis)) return equal_pieces('b', size, 1);
  Pieces whole;
  whole.add("", size);
  return whole;
}

std::string bar(const Pieces& pieces) {
  std::int64_t total = 0;
  for (const auto& piece : pieces.first) total += piece.size;
  std::string out = "|";
  for (const auto& piece : pieces.first) {
    const auto share = total == 0 ? 0.0 : static_cast<double>(piece.size) / static_cast<double>(total);
    const auto width = static_cast<std::size_t>(std::lround(share * static_cast<double>(bar_width)));
    const auto text = display_width(piece.label);
    out += piece.label + std::string(std::max(width, text) - text, ' ') + "|";
  }
  const auto left = pieces.count - static_cast<std::int64_t>(pieces.first.size());
  return left > 0 ? out + fmt::format(" ... {} pieces", pieces.count) : out;
}

}  // namespace

std::string view_drawing(const PlannedParameter& parameter, std::size_t indent) {
  if (parameter.parts.empty()) return "";
  using Align = TextTable::Align;
  const auto& view = parameter.view;
  TextTable table({Align::left, Align::right, Align::left, Align::left});
  for (std::size_t i = 0; i < parameter.info.shape.size(); ++i) {
    const auto axis = static_cast<int>(i);
    const auto size = parameter.info.shape[i];
    const auto* role = has(view.batch, axis) ? "batch" : has(view.out, axis) ? "out" : "in";
    table.row({fmt::format("axis {}", i), std::to_string(size), role, bar(pieces_of(view, axis, size))});
  }
  auto out = table.text(indent);
  const std::string margin(indent, ' ');
  if (view.heads_axis >= 0 && view.heads_axis == view.split_axis)
    out += fmt::format("{}heads   of {} indices inside every part\n", margin, view.head_size);
  return out + fmt::format("{}blocks  {}\n", margin, view_text(parameter));
}

}  // namespace switchyard
