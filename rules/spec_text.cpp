#include "rules/spec_text.h"

#include <fmt/format.h>

#include <vector>

namespace switchyard {

namespace {

std::string names_text(const std::vector<int>& names, const PatternList& patterns) {
  std::vector<std::string> texts;
  for (const auto i : names) texts.push_back(patterns[static_cast<std::size_t>(i)]->text());
  return fmt::format("{}", fmt::join(texts, " or "));
}

std::string group_text(const char* key, const std::vector<Match>& list, const PatternList& patterns) {
  std::vector<std::string> texts;
  for (const auto& inner : list) texts.push_back(match_text(inner, patterns));
  return fmt::format("{}({})", key, fmt::join(texts, "; "));
}

}  // namespace

std::string match_text(const Match& match, const PatternList& patterns) {
  std::vector<std::string> parts;
  if (!match.names.empty()) parts.push_back("name " + names_text(match.names, patterns));
  if (match.ndim) parts.push_back("ndim " + match.ndim->text);
  if (match.shape) parts.push_back("shape " + match.shape->text);
  if (match.numel) parts.push_back("numel " + match.numel->text);
  if (!match.dtypes.empty()) parts.push_back(fmt::format("dtype {}", fmt::join(match.dtypes, " or ")));
  if (!match.modules.empty()) parts.push_back(fmt::format("module {}", fmt::join(match.modules, " or ")));
  if (match.tied) parts.emplace_back(*match.tied ? "tied" : "not tied");
  if (!match.tie_with.empty()) parts.push_back("tie_with " + names_text(match.tie_with, patterns));
  if (match.layer) parts.push_back("layer " + match.layer->text);
  if (match.where) parts.push_back("where " + match.where->text());
  if (!match.all.empty()) parts.push_back(group_text("all", match.all, patterns));
  if (!match.any.empty()) parts.push_back(group_text("any", match.any, patterns));
  if (!match.none.empty()) parts.push_back(group_text("not", match.none, patterns));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string view_text(const SpecView& view) {
  std::vector<std::string> parts;
  const auto axes = [&](const char* key, const std::vector<int>& list) {
    if (!list.empty()) parts.push_back(fmt::format("{} [{}]", key, fmt::join(list, ", ")));
  };
  axes("batch", view.batch);
  axes("out", view.out);
  axes("in", view.in);
  if (view.transpose) parts.emplace_back("transpose");
  if (view.split) {
    const auto& split = *view.split;
    auto text = fmt::format("split axis {} in ", split.axis);
    if (split.equal > 0) text += std::to_string(split.equal);
    for (std::size_t i = 0; i < split.parts.size(); ++i)
      text += fmt::format("{}{} {}", i > 0 ? "|" : "", split.parts[i].name, split.parts[i].size);
    if (split.interleave != 1) text += fmt::format(", interleave {}", split.interleave);
    parts.push_back(std::move(text));
  }
  if (view.heads) {
    parts.push_back(view.heads->count > 0 ? fmt::format("{} heads on axis {}", view.heads->count, view.heads->axis)
                                          : fmt::format("heads of {} on axis {}", view.heads->size, view.heads->axis));
  }
  return parts.empty() ? "default" : fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace switchyard
