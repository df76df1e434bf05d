#include "rules/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace switchyard {

namespace {

constexpr std::string_view hole = "{i:int}";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool fits(const std::shared_ptr<const Pattern>& pattern, std::string_view text) {
  return pattern == nullptr ? text.empty() : pattern->matches(text);
}

bool any_fits(const std::vector<std::shared_ptr<const Pattern>>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) { return pattern->matches(name); });
}

}  // namespace

bool LayerStack::compile(const std::string& glob, PatternError& error) {
  index = glob;
  const auto at = glob.find(hole);
  if (at == std::string::npos) {
    error = {"`index` needs `{i:int}` where the number of the block stands",
             "write it as in \"model.layers.{i:int}.**\"", 0, glob.size()};
    return false;
  }
  const auto behind = at + hole.size();
  if (const auto again = glob.find(hole, behind); again != std::string::npos) {
    error = {"`{i:int}` may occur only once", "describe nested blocks by the outer number", again, hole.size()};
    return false;
  }
  if (glob.rfind("re:", 0) == 0) {
    error = {"`index` is a glob, not an expression", "write it as in \"model.layers.{i:int}.**\"", 0, 3};
    return false;
  }
  if (at > 0) {
    head = Pattern::compile(glob.substr(0, at), error);
    if (!head) return false;
  }
  if (behind < glob.size()) {
    tail = Pattern::compile(glob.substr(behind), error);
    error.offset += behind;
    if (!tail) return false;
  }
  return true;
}

std::optional<std::int64_t> LayerStack::block(const std::string& name) const {
  const std::string_view text = name;
  for (std::size_t begin = 0; begin < text.size(); ++begin) {
    if (!is_digit(text[begin])) continue;
    auto end = begin;
    while (end < text.size() && is_digit(text[end])) ++end;
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data() + begin, text.data() + end, number);
    if (parsed.ec == std::errc() && fits(head, text.substr(0, begin)) && fits(tail, text.substr(end))) return number;
    begin = end;
  }
  return std::nullopt;
}

LayerPlace LayerStack::of(const std::string& name) const {
  const std::int64_t shift = before.empty() ? 0 : 1;
  if (const auto i = block(name)) return {*i < count ? *i + shift : *i, *i == 0, *i == count - 1};
  if (any_fits(before, name)) return {0, false, false};
  if (any_fits(after, name)) return {count + shift, false, false};
  return {};
}

LayerPlace Layers::of(const ParameterInfo& info) const {
  for (const auto& stack : stacks) {
    LayerPlace found;
    const std::string* smallest = nullptr;
    for (const auto& name : info.names) {
      if (smallest != nullptr && *smallest < name) continue;
      const auto place = stack.of(name);
      if (!place.number) continue;
      found = place;
      smallest = &name;
    }
    if (smallest != nullptr) return found;
  }
  return {};
}

void check_layers(const Layers& layers, const ParameterTable& table, Diagnostics& diagnostics) {
  for (const auto& stack : layers.stacks) {
    std::int64_t largest = -1;
    std::string where;
    for (const auto& info : table.parameters()) {
      for (const auto& name : info.names) {
        const auto i = stack.block(name);
        if (!i || *i <= largest) continue;
        largest = *i;
        where = name;
      }
    }
    if (largest < 0) {
      auto& finding =
          diagnostics.error("SWY-2032", fmt::format("no name of the model fits `{}`", stack.index), stack.place);
      finding.label = "no block";
      finding.help = "correct it; `*` stays inside one segment, `**` crosses dots";
    } else if (largest >= stack.count) {
      auto& finding =
          diagnostics.error("SWY-2031", fmt::format("`count` is {}, but the model has block {}", stack.count, largest),
                            stack.count_place);
      finding.subject = where;
      finding.label = "too few";
      finding.help = fmt::format("write {}", largest + 1);
    } else if (largest + 1 < stack.count) {
      auto& finding = diagnostics.warning(
          "SWY-2033", fmt::format("`count` is {}, but the last block of the model is {}", stack.count, largest),
          stack.count_place);
      finding.subject = where;
      finding.help = fmt::format("write {}", largest + 1);
    }
  }
}

}  // namespace switchyard
