#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "rules/spec_reader.h"

namespace switchyard {

namespace {

using Range = IntCondition::Range;
constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr int most_axes = 64;  // of a LibTorch tensor

const std::vector<std::string> dtype_names = {
    "float32",     "float64",         "bfloat16",        "float16",        "float8_e4m3fn",
    "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2",
    "uint8",       "uint16",          "uint32",          "uint64",         "int8",
    "int16",       "int32",           "int64",           "bool",           "complex32",
    "complex64",   "complex128",      "quint8",          "qint8",          "qint32"};
const std::map<std::string, std::string, std::less<>> dtype_aliases = {
    {"bf16", "bfloat16"}, {"fp32", "float32"}, {"f32", "float32"}, {"float", "float32"},  {"fp16", "float16"},
    {"f16", "float16"},   {"half", "float16"}, {"f64", "float64"}, {"double", "float64"}, {"fp64", "float64"}};

bool parse_int(std::string_view text, std::int64_t& value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size() && text[0] != '-';
}

/// The ranges of one textual condition; nothing if it is not one. `hint` then may hold the text that was meant.
std::optional<std::vector<Range>> parse_condition(std::string_view text, std::string& hint) {
  if (text == "*") return std::vector<Range>{{0, largest}};
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (const auto dots = text.find(".."); dots != std::string_view::npos && text != "...") {
    if (!parse_int(text.substr(0, dots), low) || !parse_int(text.substr(dots + 2), high)) return std::nullopt;
    if (low > high) {
      hint = fmt::format("write \"{}..{}\"", high, low);
      return std::nullopt;
    }
    return std::vector<Range>{{low, high}};
  }
  const auto digits = std::min(text.find_first_of("0123456789"), text.size());
  auto sign = text.substr(0, digits);
  if (!parse_int(text.substr(digits), low)) return std::nullopt;
  while (!sign.empty() && sign.back() == ' ') sign.remove_suffix(1);
  if (sign == ">=") return std::vector<Range>{{low, largest}};
  if (sign == "<=") return std::vector<Range>{{0, low}};
  if (sign == ">" && low < largest) return std::vector<Range>{{low + 1, largest}};
  if (sign == "<" && low > 0) return std::vector<Range>{{0, low - 1}};
  if (sign == "!=") {
    std::vector<Range> out;
    if (low > 0) out.push_back({0, low - 1});
    if (low < largest) out.push_back({low + 1, largest});
    return out;
  }
  if (sign.empty() || sign == "=" || sign == "==") hint = fmt::format("write {} without quotes", low);
  if (sign == "=>") hint = fmt::format("write \">={}\"", low);
  if (sign == "=<") hint = fmt::format("write \"<={}\"", low);
  if (sign == "<" && low == 0) hint = "nothing is smaller than 0";
  return std::nullopt;
}

std::optional<std::vector<int>> read_names(SpecDraft& draft, const Node& node) {
  std::vector<int> out;
  bool good = draft.read.texts(node, fmt::format("`{}`", node.key()), [&](const Node& item, const std::string& text) {
    const auto [known, fresh] = draft.pattern_numbers.emplace(text, -1);
    if (fresh) {
      PatternError error;
      auto pattern = Pattern::compile(text, error);
      if (pattern) {
        known->second = static_cast<int>(draft.spec.patterns.size());
        draft.spec.patterns.push_back(std::move(pattern));
      } else {
        auto& finding =
            draft.read.error(text.empty() ? "SWY-1019" : "SWY-1020", error.message,
                             text.empty() ? item.place() : draft.read.inside(item, error.offset, error.length));
        finding.label = "here";
        finding.help = error.help;
      }
    }
    out.push_back(known->second);
  });
  good = good && std::none_of(out.begin(), out.end(), [](int i) { return i < 0; });
  if (!good) return std::nullopt;
  return out;
}

std::optional<std::vector<std::string>> read_dtypes(SpecDraft& draft, const Node& node) {
  std::vector<std::string> out;
  bool good = true;
  good = draft.read.texts(node, "`dtype`", [&](const Node& item, const std::string& text) {
    const auto name = text.substr(0, 6) == "torch." ? text.substr(6) : text;
    out.push_back(name);
    if (std::find(dtype_names.begin(), dtype_names.end(), name) != dtype_names.end()) return;
    auto& finding = draft.read.error("SWY-1013", fmt::format("`{}` is not a dtype", shown(text)), item.place());
    finding.label = "expected torch's name of a dtype";
    const auto alias = dtype_aliases.find(name);
    finding.help =
        alias != dtype_aliases.end() ? fmt::format("write \"{}\"", alias->second) : did_you_mean(name, dtype_names);
    good = false;
  }) && good;
  if (!good) return std::nullopt;
  return out;
}

std::optional<ShapeCondition> read_shape(SpecDraft& draft, const Node& node) {
  if (!draft.read.array(node, "`shape`")) return std::nullopt;
  ShapeCondition out;
  bool good = true;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < node.json().size(); ++i) {
    const Node item(node, i);
    if (item.json().is(Json::Kind::string) && item.json().as_string() == "...") {
      if (out.ellipsis >= 0) {
        draft.read.error("SWY-1013", "`shape` may hold \"...\" only once", item.place());
        good = false;
      }
      out.ellipsis = static_cast<int>(out.sizes.size());
      texts.emplace_back("...");
      continue;
    }
    auto size = read_condition(draft, item, "a size");
    good = good && size;
    if (!size) continue;
    texts.push_back(size->text);
    out.sizes.push_back(std::move(*size));
  }
  out.text = fmt::format("[{}]", listed(texts));
  if (!good) return std::nullopt;
  return out;
}

std::optional<std::vector<Match>> read_list(SpecDraft& draft, const Node& node) {
  if (!draft.read.array(node, fmt::format("`{}`", node.key()), 1)) return std::nullopt;
  std::vector<Match> out;
  for (std::size_t i = 0; i < node.json().size(); ++i) {
    auto match = read_match(draft, Node(node, i));
    if (match) out.push_back(std::move(*match));
  }
  if (out.size() != node.json().size()) return std::nullopt;
  return out;
}

bool allows_ndim(const Match& match, std::int64_t ndim) {
  const auto inner = [&](const Match& other) { return allows_ndim(other, ndim); };
  return (!match.ndim || match.ndim->holds(ndim)) && (!match.shape || match.shape->allows_ndim(ndim)) &&
         std::all_of(match.all.begin(), match.all.end(), inner) &&
         (match.any.empty() || std::any_of(match.any.begin(), match.any.end(), inner));
}

}  // namespace

std::optional<IntCondition> read_condition(SpecDraft& draft, const Node& node, const std::string& what) {
  const auto& json = node.json();
  IntCondition out;
  if (json.is(Json::Kind::array)) {
    if (!draft.read.array(node, what, 1)) return std::nullopt;
    bool good = true;
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < json.size(); ++i) {
      const Node item(node, i);
      if (item.json().is(Json::Kind::array)) {
        draft.read.wrong_type(item, what, "an integer or a condition");
        good = false;
        continue;
      }
      const auto one = read_condition(draft, item, what);
      good = good && one;
      if (!one) continue;
      out.ranges.insert(out.ranges.end(), one->ranges.begin(), one->ranges.end());
      texts.push_back(one->text);
    }
    out.text = fmt::format("{}", fmt::join(texts, " or "));
    if (!good) return std::nullopt;
    return out;
  }
  if (!json.is(Json::Kind::string)) {
    if (!json.is_number()) {
      draft.read.wrong_type(node, what, "an integer, a condition such as \">=2\", or a list of them");
      return std::nullopt;
    }
    const auto value = draft.read.integer(node, what, 0);
    if (!value) return std::nullopt;
    out.ranges.push_back({*value, *value});
    out.text = std::to_string(*value);
    return out;
  }
  const auto& text = json.as_string();
  std::string hint;
  if (auto ranges = parse_condition(text, hint)) {
    out.ranges = std::move(*ranges);
    out.text = text;
    return out;
  }
  auto& finding = draft.read.error("SWY-1013", fmt::format("{} has no condition {}", what, shown(json)), node.place());
  finding.label = "expected an integer, \"*\", \">=n\", \"<=n\", \">n\", \"<n\", \"!=n\" or \"a..b\"";
  finding.help = hint;
  return std::nullopt;
}

std::optional<Match> read_match(SpecDraft& draft, const Node& node) {
  auto& read = draft.read;
  const auto before = read.diagnostics().count(Severity::error);
  if (!read.object(node, spots::match())) return std::nullopt;
  Match out;
  out.place = node.key_place();
  if (node.json().size() == 0) {
    auto& finding = read.error("SWY-1019", "an empty match would take every parameter", node.place());
    finding.label = "expected at least one condition";
    finding.help = "write {\"name\": \"**\"} if that is meant";
    return std::nullopt;
  }
  if (const auto name = node.child("name")) {
    out.name_place = name->place();
    out.names = read_names(draft, *name).value_or(std::vector<int>{});
  }
  if (const auto ndim = node.child("ndim")) out.ndim = read_condition(draft, *ndim, "`ndim`");
  if (const auto shape = node.child("shape")) out.shape = read_shape(draft, *shape);
  if (const auto numel = node.child("numel")) out.numel = read_condition(draft, *numel, "`numel`");
  if (const auto dtype = node.child("dtype"))
    out.dtypes = read_dtypes(draft, *dtype).value_or(std::vector<std::string>{});
  if (const auto module = node.child("module")) {
    read.texts(*module, "`module`", [&](const Node&, const std::string& text) { out.modules.push_back(text); });
  }
  if (const auto tied = node.child("tied")) out.tied = read.boolean(*tied, "`tied`");
  if (const auto tie = node.child("tie_with")) out.tie_with = read_names(draft, *tie).value_or(std::vector<int>{});
  if (const auto layer = node.child("layer")) out.layer = read_layer(draft, *layer);
  if (const auto where = node.child("where")) out.where = read_where(draft, *where);
  if (const auto all = node.child("all")) out.all = read_list(draft, *all).value_or(std::vector<Match>{});
  if (const auto any = node.child("any")) out.any = read_list(draft, *any).value_or(std::vector<Match>{});
  if (const auto none = node.child("not")) {
    auto inner = read_match(draft, *none);
    if (inner) out.none.push_back(std::move(*inner));
  }
  if (read.diagnostics().count(Severity::error) != before) return std::nullopt;
  for (std::int64_t ndim = 0; ndim <= most_axes; ++ndim) {
    if (allows_ndim(out, ndim)) return out;
  }
  auto& finding =
      read.error("SWY-1022", "no tensor can meet these conditions on the number of axes together", out.place);
  finding.label = "ndim and shape contradict each other";
  finding.help = fmt::format(
      "a tensor has 0 to {} axes; conditions side by side must all hold, use `any` for alternatives", most_axes);
  return std::nullopt;
}

}  // namespace switchyard
