#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/view_check.h"
#include "rules/spec_reader.h"

namespace switchyard {

namespace {

constexpr int most_axes = 64;

std::optional<int> read_axis(SpecDraft& draft, const Node& node) {
  const auto& json = node.json();
  if (json.is(Json::Kind::integer) && json.as_int() < 0) {
    auto& finding = draft.read.error("SWY-1013", fmt::format("an axis must be an integer >= 0, got {}", json.as_int()),
                                     node.place());
    finding.help = "axes count from 0, as the parameter is stored; they do not count from the end";
    return std::nullopt;
  }
  const auto value = draft.read.integer(node, "an axis", 0, most_axes - 1);
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

/// A list of axes, at least one.
std::optional<std::vector<int>> read_axes(SpecDraft& draft, const Node& node) {
  const auto what = fmt::format("`{}`", node.key());
  if (!node.json().is(Json::Kind::array)) {
    draft.read.wrong_type(node, what, "a list of axes");
    return std::nullopt;
  }
  if (!draft.read.array(node, what, 1)) return std::nullopt;
  std::vector<int> out;
  for (std::size_t i = 0; i < node.json().size(); ++i) {
    const auto axis = read_axis(draft, Node(node, i));
    if (axis) out.push_back(*axis);
  }
  if (out.size() != node.json().size()) return std::nullopt;
  return out;
}

class ViewReader {
 public:
  ViewReader(SpecDraft& draft, const Node& node) : draft_(draft), read_(draft.read), node_(node) {}

  std::optional<SpecView> run() {
    const auto before = read_.diagnostics().count(Severity::error);
    if (!read_.object(node_, spots::view())) return std::nullopt;
    out_.place = node_.key_place();
    if (node_.json().size() == 0) {
      read_.error("SWY-1019", "`matrix` is empty", node_.place()).help = "remove it: without it the defaults hold";
      return std::nullopt;
    }
    read_roles();
    read_split();
    read_heads();
    if (read_.diagnostics().count(Severity::error) != before) return std::nullopt;
    check_cuts();
    if (read_.diagnostics().count(Severity::error) != before) return std::nullopt;
    return std::move(out_);
  }

 private:
  void exclude(const char* first, const char* second, const char* help) {
    const auto a = node_.child(first);
    const auto b = node_.child(second);
    if (!a || !b) return;
    auto& finding =
        read_.error("SWY-1018", fmt::format("`{}` and `{}` exclude each other", first, second), b->key_place());
    finding.related.push_back({fmt::format("`{}` is here", first), a->key_place()});
    finding.help = help;
  }

  void read_roles() {
    const auto before = read_.diagnostics().count(Severity::error);
    exclude("flatten", node_.has("out") ? "out" : "in", "`flatten` is another spelling of out and in: keep one");
    if (const auto transpose = node_.child("transpose")) {
      const auto value = read_.boolean(*transpose, "`transpose`");
      out_.transpose = value.value_or(false);
      const char* roles = node_.has("flatten") ? "flatten" : node_.has("out") ? "out" : "in";
      exclude(roles, "transpose",
              "`transpose` swaps the default roles: remove it and write out and in as they are meant");
    }
    if (read_.diagnostics().count(Severity::error) != before) return;
    const auto flatten = node_.child("flatten");
    if (flatten && !read_.object(*flatten, spots::flatten())) return;
    const Node& roles = flatten ? *flatten : node_;
    const auto out = roles.child("out");
    const auto in = roles.child("in");
    const auto batch = node_.child("batch");
    if (!out && !in && !batch && !flatten) return;
    if (!out || !in) {
      if (read_.meant(roles, "out") || read_.meant(roles, "in")) return;
      read_
          .error("SWY-1018", "roles need both `out` and `in`",
                 (out       ? *out
                  : in      ? *in
                  : flatten ? *flatten
                            : *batch)
                     .key_place())
          .help = "name every axis once: {\"batch\": [0], \"out\": [1], \"in\": [2]}";
      return;
    }
    out_.roles = true;
    const auto batch_axes = batch ? read_axes(draft_, *batch) : std::vector<int>{};
    const auto out_axes = read_axes(draft_, *out);
    const auto in_axes = read_axes(draft_, *in);
    if (!batch_axes || !out_axes || !in_axes) return;
    out_.batch = *batch_axes;
    out_.out = *out_axes;
    out_.in = *in_axes;
    std::set<int> seen;
    for (const auto* axes : {&out_.batch, &out_.out, &out_.in}) {
      for (const auto axis : *axes) {
        if (seen.insert(axis).second) continue;
        read_.error("SWY-2023", fmt::format("axis {} is listed twice", axis), out_.place).help =
            "each axis has one role";
        return;
      }
    }
  }

  void read_split() {
    const auto node = node_.child("split");
    if (!node || !read_.object(*node, spots::split())) return;
    SpecSplit split;
    split.place = node->key_place();
    const auto axis = read_.require(*node, "axis", "`split`");
    const auto parts = read_.require(*node, "parts", "`split`");
    if (axis) {
      split.axis = read_axis(draft_, *axis).value_or(0);
      split.axis_place = axis->place();
    }
    if (const auto interleave = node->child("interleave")) {
      split.interleave = read_.integer(*interleave, "`interleave`", 1).value_or(1);
    }
    if (parts) {
      split.parts_place = parts->place();
      read_parts(*parts, split);
    }
    out_.split = std::move(split);
  }

  void read_parts(const Node& node, SpecSplit& split) {
    constexpr std::int64_t most_parts = 1 << 20;
    if (!node.json().is(Json::Kind::array)) {
      if (!node.json().is_number()) {
        read_.wrong_type(node, "`parts`", "a number of equal parts (an integer >= 2) or a list of sizes");
        return;
      }
      split.equal = read_.integer(node, "`parts`", 2, most_parts).value_or(0);
      return;
    }
    if (node.json().size() < 2) {
      read_
          .error("SWY-1019", fmt::format("`parts` lists {}", node.json().size() == 0 ? "nothing" : "only one part"),
                 node.place())
          .label = "expected at least 2 parts";
      return;
    }
    std::set<std::string> names;
    for (std::size_t i = 0; i < node.json().size(); ++i) {
      const Node item(node, i);
      SpecSplit::Part part;
      part.name = std::to_string(i);
      if (item.json().is(Json::Kind::object)) {
        if (!read_.object(item, spots::part())) continue;
        if (const auto name = item.child("name")) part.name = read_part_name(*name).value_or(part.name);
        const auto size = read_.require(item, "size", "a part");
        if (size) part.size = read_.integer(*size, "`size`", 1).value_or(1);
      } else if (item.json().is_number()) {
        part.size = read_.integer(item, "the size of a part", 1).value_or(1);
      } else {
        read_.wrong_type(item, "a part", "an integer or {\"name\", \"size\"}");
      }
      if (!names.insert(part.name).second) {
        read_.error("SWY-1015", fmt::format("two parts are called `{}`", part.name), item.place()).help =
            "blocks are saved by these names";
      }
      split.parts.push_back(std::move(part));
    }
  }

  std::optional<std::string> read_part_name(const Node& node) {
    auto name = read_.text(node, "`name`");
    if (!name) return std::nullopt;
    if (is_part_name(*name)) return name;
    read_.error(
        "SWY-1013",
        fmt::format("the name of a part must be made of letters, digits, '_', '-' and '.', got {}", shown(node.json())),
        node.place());
    return std::nullopt;
  }

  void read_heads() {
    const auto node = node_.child("heads");
    if (!node || !read_.object(*node, spots::heads())) return;
    SpecHeads heads;
    heads.place = node->key_place();
    if (const auto axis = read_.require(*node, "axis", "`heads`")) heads.axis = read_axis(draft_, *axis).value_or(0);
    const auto count = node->child("count");
    const auto size = node->child("size");
    if (count && size) {
      read_.error("SWY-1018", "`heads` takes either `count` or `size`", size->key_place()).help =
          "keep one: each follows from the other";
    } else if (!count && !size && !read_.meant(*node, "count") && !read_.meant(*node, "size")) {
      read_.error("SWY-1012", "`heads` lacks `count` or `size`", node->key_place()).help =
          "add \"count\": the number of heads";
    } else if (count && node_.has("split")) {
      read_
          .error("SWY-1018", "after a split, `heads` takes `size`: `count` would not say of which part",
                 count->key_place())
          .help = "write \"size\": elements of one head, the same for every part";
    }
    if (count) heads.count = read_.integer(*count, "`count`", 1).value_or(1);
    if (size) heads.size = read_.integer(*size, "`size`", 1).value_or(1);
    out_.heads = std::move(heads);
  }

  /// What can be said without a shape: with explicit roles, cuts lie on out or in axes.
  void check_cuts() {
    if (!out_.roles) return;
    const auto cut = [&](int axis, const char* what, const Place& place) {
      const auto in = [&](const std::vector<int>& axes) {
        return std::find(axes.begin(), axes.end(), axis) != axes.end();
      };
      if (in(out_.out) || in(out_.in)) return;
      auto& finding = read_.error(
          "SWY-2024", fmt::format("{} cuts axis {}, which is neither an out nor an in axis", what, axis), place);
      finding.help = in(out_.batch) ? "a batch axis is cut into single indices anyway"
                                    : "give the axis a role, or cut another one";
    };
    if (out_.split) cut(out_.split->axis, "`split`", out_.split->place);
    if (out_.heads) cut(out_.heads->axis, "`heads`", out_.heads->place);
  }

  SpecDraft& draft_;
  Reader& read_;
  const Node& node_;
  SpecView out_;
};

}  // namespace

std::optional<SpecView> read_view(SpecDraft& draft, const Node& view) { return ViewReader(draft, view).run(); }

}  // namespace switchyard
