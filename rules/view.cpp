#include "rules/view.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/view_check.h"

namespace switchyard {

namespace {

bool has(const std::vector<int>& axes, int axis) { return std::find(axes.begin(), axes.end(), axis) != axes.end(); }

std::string roles_help(std::size_t ndim) {
  if (ndim == 3) {
    return "add to the rule \"matrix\": {\"out\": [0], \"in\": [1, 2]} (a 1-D convolution [out, in, k]) or "
           "{\"batch\": [0], \"out\": [1], \"in\": [2]} (a stack of matrices)";
  }
  std::string in = "1";
  for (std::size_t axis = 2; axis < ndim; ++axis) in += ", " + std::to_string(axis);
  return fmt::format("add to the rule \"matrix\": {{\"out\": [0], \"in\": [{}]}} (a convolution [out, in, ...])", in);
}

class Resolver {
 public:
  Resolver(const SpecView* view, const ParameterInfo& info, ViewProblem& problem)
      : spec_(view), shape_(info.shape), info_(info), problem_(problem) {}

  std::optional<MatrixView> run() {
    if (roles() && split() && heads()) return std::move(view_);
    return std::nullopt;
  }

 private:
  bool fail(std::string code, std::string message, std::string help, Place place) {
    problem_ = {std::move(code), std::move(message), std::move(help), std::move(place)};
    return false;
  }
  Place place() const { return spec_ == nullptr ? Place{} : spec_->place; }
  std::int64_t size(int axis) const { return shape_[static_cast<std::size_t>(axis)]; }

  bool roles() {
    const auto ndim = shape_.size();
    if (spec_ != nullptr && spec_->roles) return given_roles();
    if (ndim < 2) {
      return fail("SWY-2022", fmt::format("it has {}", ndim == 1 ? "one axis" : "no axes"),
                  "add \"ndim\": \">=2\" to the rule's match, and send vectors to a plugin that works on elements", {});
    }
    if (ndim > 2) {
      return fail(
          "SWY-2021",
          fmt::format("it has {} axes {}, and nothing says which are out and which are in", ndim, to_string(shape_)),
          roles_help(ndim), place());
    }
    const bool conv1d = info_.module == "Conv1D";
    const bool swapped = conv1d != (spec_ != nullptr && spec_->transpose);
    view_.out = {swapped ? 1 : 0};
    view_.in = {swapped ? 0 : 1};
    return true;
  }

  bool given_roles() {
    std::vector<int> all;
    for (const auto* axes : {&spec_->batch, &spec_->out, &spec_->in}) all.insert(all.end(), axes->begin(), axes->end());
    std::sort(all.begin(), all.end());
    const auto ndim = static_cast<int>(shape_.size());
    bool complete = static_cast<int>(all.size()) == ndim;
    for (std::size_t i = 0; complete && i < all.size(); ++i) complete = all[i] == static_cast<int>(i);
    if (!complete) {
      std::vector<int> missing;
      for (int axis = 0; axis < ndim; ++axis) {
        if (!has(all, axis)) missing.push_back(axis);
      }
      const auto what = !missing.empty() ? fmt::format("axes {} have no role", fmt::join(missing, ", "))
                                         : fmt::format("axis {} does not exist", all.empty() ? 0 : all.back());
      return fail("SWY-2023", fmt::format("its shape is {}: {}", to_string(shape_), what),
                  "batch, out and in together must name every axis once; a rule for each ndim keeps them apart",
                  place());
    }
    view_.batch = spec_->batch;
    view_.out = spec_->out;
    view_.in = spec_->in;
    return true;
  }

  /// The axis exists and is an out or in axis.
  bool cuttable(int axis, const char* what, const Place& where) {
    if (axis >= static_cast<int>(shape_.size())) {
      return fail("SWY-2024", fmt::format("{} cuts axis {}, but its shape is {}", what, axis, to_string(shape_)),
                  "axes count from 0", where);
    }
    if (has(view_.out, axis) || has(view_.in, axis)) return true;
    return fail("SWY-2024", fmt::format("{} cuts axis {}, which is a batch axis", what, axis),
                "cut an out or an in axis", where);
  }

  bool split() {
    if (spec_ == nullptr || !spec_->split) return true;
    const auto& split = *spec_->split;
    if (!cuttable(split.axis, "`split`", split.axis_place)) return false;
    const auto whole = size(split.axis);
    if (whole % split.interleave != 0) {
      return fail("SWY-2025",
                  fmt::format("axis {} has {} indices, which {} interleaved runs cannot share equally", split.axis,
                              whole, split.interleave),
                  "`interleave` is the number of runs; it must divide the axis", split.place);
    }
    const auto run = whole / split.interleave;
    if (split.equal > 0 && run % split.equal != 0) {
      return fail("SWY-2025",
                  fmt::format("axis {} has {} indices{}, which {} parts cannot share equally", split.axis, run,
                              split.interleave > 1 ? " in each run" : "", split.equal),
                  "list the sizes: \"parts\": [n, n, ...]", split.parts_place);
    }
    auto parts = split.parts;
    for (std::int64_t i = 0; i < split.equal; ++i) parts.push_back({std::to_string(i), run / split.equal});
    if (split.equal == 0 && !sizes_add_up(parts, run)) return false;
    view_.split_axis = split.axis;
    std::int64_t start = 0;
    for (const auto& part : parts) {
      const bool interleaved = split.interleave > 1;
      view_.parts.push_back({part.name, {start, part.size, interleaved ? run : 0, split.interleave}});
      start += part.size;
    }
    return true;
  }

  bool sizes_add_up(const std::vector<SpecSplit::Part>& parts, std::int64_t run) {
    const auto& split = *spec_->split;
    std::int64_t sum = 0;
    bool overflow = false;
    std::string terms;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      overflow = __builtin_add_overflow(sum, parts[i].size, &sum) || overflow;
      if (i < 8) terms += fmt::format("{}{} {}", i == 0 ? "" : " + ", parts[i].name, parts[i].size);
    }
    if (parts.size() > 8) terms += " + ...";
    if (!overflow && sum == run) return true;
    const bool interleaved = split.interleave > 1;
    return fail("SWY-2020",
                fmt::format("axis {} has {}{}, parts give {} = {}", split.axis, size(split.axis),
                            interleaved ? fmt::format(" in {} runs of {}", split.interleave, run) : "", terms,
                            overflow ? "more than 2^63" : std::to_string(sum)),
                interleaved ? "sizes add up to one run: the axis divided by `interleave`"
                            : "for grouped-query attention set q = n_head*head_dim, k = v = n_kv*head_dim",
                split.parts_place);
  }

  bool heads() {
    if (spec_ == nullptr || !spec_->heads) return true;
    const auto& heads = *spec_->heads;
    if (!cuttable(heads.axis, "`heads`", heads.place)) return false;
    const auto whole = size(heads.axis);
    if (heads.count > 0 && (whole % heads.count != 0 || whole == 0)) {
      return fail(
          "SWY-2026",
          fmt::format("axis {} has {} indices, which {} heads cannot share equally", heads.axis, whole, heads.count),
          "`count` must divide the axis; `size` gives the indices of one head instead", heads.place);
    }
    const auto head = heads.count > 0 ? whole / heads.count : heads.size;
    const bool cut_by_split = view_.split_axis == heads.axis;
    std::vector<SplitPart> cuts = view_.parts;
    if (!cut_by_split) cuts = {{"", {0, whole, 0, 1}}};
    for (const auto& part : cuts) {
      const auto& cut = part.cut;
      if (heads_divide(cut, head)) continue;
      const auto what =
          cut_by_split ? fmt::format("part {} of axis {}", part.name, heads.axis) : fmt::format("axis {}", heads.axis);
      return fail("SWY-2026",
                  fmt::format("{} has {} indices{}, which heads of {} do not divide", what, cut.size(),
                              cut.times > 1 ? fmt::format(" in runs of {}", cut.length) : "", head),
                  "`size` must divide every part, and with `interleave` a run (or a run must divide it)", heads.place);
    }
    view_.heads_axis = heads.axis;
    view_.head_size = head;
    return true;
  }

  const SpecView* spec_;
  const std::vector<std::int64_t>& shape_;
  const ParameterInfo& info_;
  ViewProblem& problem_;
  MatrixView view_;
};

}  // namespace

std::optional<MatrixView> resolve_view(const SpecView* view, const ParameterInfo& info, ViewProblem& problem) {
  return Resolver(view, info, problem).run();
}

}  // namespace switchyard
