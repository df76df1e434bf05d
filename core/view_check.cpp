#include "core/view_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace switchyard {

namespace {

bool has(const std::vector<int>& axes, int axis) { return std::find(axes.begin(), axes.end(), axis) != axes.end(); }

std::string roles_problem(const MatrixView& view, std::size_t ndim) {
  std::vector<int> given(ndim, 0);
  for (const auto* axes : {&view.batch, &view.out, &view.in}) {
    for (const auto axis : *axes) {
      if (axis < 0 || static_cast<std::size_t>(axis) >= ndim) return fmt::format("axis {} does not exist", axis);
      ++given[static_cast<std::size_t>(axis)];
    }
  }
  for (std::size_t axis = 0; axis < ndim; ++axis) {
    if (given[axis] == 0) return fmt::format("axis {} has no role", axis);
    if (given[axis] > 1) return fmt::format("axis {} has {} roles", axis, given[axis]);
  }
  if (view.out.empty()) return "no axis is out";
  if (view.in.empty()) return "no axis is in";
  return "";
}

/// Runs inside the axis that do not overlap each other.
bool inside(const AxisCut& cut, std::int64_t size) {
  if (cut.start < 0 || cut.length < 0 || cut.times < 1 || cut.start > size || cut.length > size - cut.start)
    return false;
  if (cut.times == 1) return true;
  return cut.length > 0 && cut.stride >= cut.length && cut.times - 1 <= (size - cut.start - cut.length) / cut.stride;
}

/// The runs of all parts, sorted, must follow each other from 0 to the end.
std::string parts_problem(const std::vector<SplitPart>& parts, std::int64_t size) {
  std::vector<std::pair<std::int64_t, std::int64_t>> runs;
  std::int64_t indices = 0;
  std::set<std::string> names;
  for (const auto& part : parts) {
    if (!is_part_name(part.name))
      return fmt::format("the name `{}` of a part must have 1 to 64 letters, digits, `_`, `-` or `.`", part.name);
    if (!names.insert(part.name).second) return fmt::format("two parts are called `{}`", part.name);
    if (size > 0 && part.cut.length < 1) return fmt::format("part `{}` is empty", part.name);
    if (part.cut.times > 1 && part.cut.stride < part.cut.length)
      return fmt::format("the runs of part `{}` overlap", part.name);
    if (!inside(part.cut, size)) return fmt::format("part `{}` does not lie inside its axis of {}", part.name, size);
    indices += part.cut.size();
    if (indices > size) return fmt::format("the parts have more than the {} indices of their axis", size);
    for (std::int64_t k = 0; part.cut.length > 0 && k < part.cut.times; ++k)
      runs.emplace_back(part.cut.start + k * part.cut.stride, part.cut.length);
  }
  std::sort(runs.begin(), runs.end());
  std::int64_t end = 0;
  for (const auto& [start, length] : runs) {
    if (start > end) return fmt::format("no part holds index {} of the axis that the split cuts", end);
    if (start < end) return fmt::format("two parts hold index {} of the axis that the split cuts", start);
    end = start + length;
  }
  if (end < size) return fmt::format("no part holds index {} of the axis that the split cuts", end);
  return "";
}

}  // namespace

bool is_part_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

bool heads_divide(const AxisCut& cut, std::int64_t head_size) {
  return cut.size() % head_size == 0 &&
         (head_size <= cut.length ? cut.length % head_size == 0 : cut.length > 0 && head_size % cut.length == 0);
}

std::string view_problem(const MatrixView& view, const std::vector<std::int64_t>& shape) {
  if (auto problem = roles_problem(view, shape.size()); !problem.empty()) return problem;
  const auto cuttable = [&](int axis) { return has(view.out, axis) || has(view.in, axis); };
  if ((view.split_axis >= 0) != !view.parts.empty()) return "a split needs an axis and parts";
  if (view.split_axis >= 0) {
    if (!cuttable(view.split_axis)) return fmt::format("the split cuts axis {}, no out or in axis", view.split_axis);
    const auto size = shape[static_cast<std::size_t>(view.split_axis)];
    if (auto problem = parts_problem(view.parts, size); !problem.empty()) return problem;
  }
  if (view.heads_axis < 0) return "";
  if (!cuttable(view.heads_axis)) return fmt::format("heads cut axis {}, no out or in axis", view.heads_axis);
  if (view.head_size < 1) return fmt::format("a head has {} indices", view.head_size);
  auto cuts = view.parts;
  if (view.split_axis != view.heads_axis) cuts = {{"", {0, shape[static_cast<std::size_t>(view.heads_axis)], 0, 1}}};
  for (const auto& part : cuts) {
    if (heads_divide(part.cut, view.head_size)) continue;
    return fmt::format("heads of {} do not divide the {} indices{} that they cut", view.head_size, part.cut.size(),
                       part.name.empty() ? "" : fmt::format(" of part `{}`", part.name));
  }
  return "";
}

}  // namespace switchyard
