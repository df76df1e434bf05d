#include "rules/script_classes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/utf8.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

constexpr std::int64_t most_source_bytes = std::int64_t{16} << 20;

/// A text in double quotes at the start of `rest`, with Python's escapes; `rest` moves behind it.
std::optional<std::string> quoted(std::string_view& rest) {
  if (rest.empty() || rest[0] != '"') return std::nullopt;
  std::string out;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return out;
    }
    if (rest[i] != '\\') {
      out += rest[i];
      continue;
    }
    if (++i == rest.size()) break;
    if (rest[i] >= '0' && rest[i] <= '7') {
      int code = 0;
      for (int digit = 0; digit < 3 && i < rest.size() && rest[i] >= '0' && rest[i] <= '7'; ++digit, ++i)
        code = code * 8 + (rest[i] - '0');
      --i;
      out += static_cast<char>(code);
    } else {
      out += rest[i] == 'n' ? '\n' : rest[i] == 't' ? '\t' : rest[i];
    }
  }
  return std::nullopt;
}

}  // namespace

ScriptSource::ScriptSource(std::string text) : text_(std::move(text)) {
  constexpr std::string_view head = "class ";
  const std::string_view all = text_;
  auto at = all.substr(0, head.size()) == head ? 0 : all.find("\nclass ");
  while (at < all.size()) {
    if (all[at] == '\n') ++at;
    const auto name = at + head.size();
    const auto next = std::min(all.find("\nclass ", at), all.size());
    // A class that is no module has no bases.
    const auto end = all.find_first_of("(:\n", name);
    if (end < next && all[end] != '\n') {
      classes_.push_back({static_cast<std::uint32_t>(name), static_cast<std::uint32_t>(end - name),
                          static_cast<std::uint32_t>(next - name)});
    }
    at = next;
  }
  // The first of two classes with one name counts.
  std::stable_sort(classes_.begin(), classes_.end(),
                   [&](const Class& a, const Class& b) { return name_of(a) < name_of(b); });
}

std::optional<std::set<std::string>> ScriptSource::parameters(std::string_view name) const {
  const auto found = std::lower_bound(classes_.begin(), classes_.end(), name,
                                      [&](const Class& one, std::string_view other) { return name_of(one) < other; });
  if (found == classes_.end() || name_of(*found) != name) return std::nullopt;
  auto body = std::string_view(text_).substr(found->at, found->size);
  constexpr std::string_view key = "__parameters__ = [";
  const auto list = body.find(key);
  if (list == std::string_view::npos) return std::set<std::string>();
  body.remove_prefix(list + key.size());
  std::set<std::string> out;
  while (!body.empty() && body[0] != ']') {
    if (body[0] == ' ' || body[0] == ',' || body[0] == '\n') {
      body.remove_prefix(1);
      continue;
    }
    auto one = quoted(body);
    if (!one || !is_utf8(*one)) return std::nullopt;
    out.insert(std::move(*one));
  }
  return body.empty() ? std::nullopt : std::optional(std::move(out));
}

const ScriptSource* ScriptClasses::source(const std::string& path, const std::string& type, Diagnostics& diagnostics) {
  const auto found = sources_.find(path);
  if (found != sources_.end()) return found->second ? &*found->second : nullptr;
  auto& result = sources_[path];
  const auto* record = archive_.find(path);
  if (record == nullptr) {
    diagnostics.error(
        "SWY-3021", fmt::format("the archive has no record `{}` for the class `{}`", printable(path), printable(type)),
        {{file_, 0, 0}, ""});
    return nullptr;
  }
  if (record->size > budget_) {
    // Records may overlap: a small file can promise any number of them.
    if (!std::exchange(spent_, true)) {
      diagnostics.error("SWY-3021",
                        fmt::format("record `{}` has {} bytes: the sources of the archive are too large together",
                                    printable(path), record->size),
                        {{file_, 0, 0}, ""});
    }
    return nullptr;
  }
  budget_ -= record->size;
  if (auto text = archive_.read(*record, most_source_bytes, diagnostics)) result.emplace(std::move(*text));
  return result ? &*result : nullptr;
}

const std::set<std::string>* ScriptClasses::parameters(const std::string& type, Diagnostics& diagnostics) {
  const auto found = known_.find(type);
  if (found != known_.end()) return found->second ? &*found->second : nullptr;
  const auto dot = type.rfind('.');
  auto path = type.substr(0, dot);
  std::replace(path.begin(), path.end(), '.', '/');
  path = root_ + "/code/" + path + ".py";
  auto& result = known_[type];
  const auto* text = source(path, type, diagnostics);
  if (text == nullptr) return nullptr;
  result = text->parameters(std::string_view(type).substr(dot + 1));
  if (!result) {
    diagnostics.error("SWY-3021",
                      fmt::format("record `{}` does not say which attributes of `{}` are parameters", printable(path),
                                  printable(type)),
                      {{file_, 0, 0}, ""});
    return nullptr;
  }
  return &*result;
}

}  // namespace switchyard
