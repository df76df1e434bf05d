#include "rules/script_classes.h"

#include <fmt/format.h>

#include <algorithm>

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

std::optional<std::set<std::string>> script_parameters(std::string_view source, std::string_view name) {
  const auto head = fmt::format("class {}(", name);
  auto at = source.find(head);
  while (at != std::string_view::npos && at != 0 && source[at - 1] != '\n') at = source.find(head, at + 1);
  if (at == std::string_view::npos) {
    // A class that is no module has no bases and no parameters.
    const auto plain = fmt::format("class {}:", name);
    if (source.find(plain) != std::string_view::npos) return std::set<std::string>();
    return std::nullopt;
  }
  const auto next = source.find("\nclass ", at);
  auto body = source.substr(at, next == std::string_view::npos ? next : next - at);
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

const std::set<std::string>* ScriptClasses::parameters(const std::string& type, Diagnostics& diagnostics) {
  const auto found = known_.find(type);
  if (found != known_.end()) return found->second ? &*found->second : nullptr;
  const auto dot = type.rfind('.');
  auto path = type.substr(0, dot);
  std::replace(path.begin(), path.end(), '.', '/');
  path = root_ + "/code/" + path + ".py";
  auto& result = known_[type];
  auto source = sources_.find(path);
  if (source == sources_.end()) {
    const auto* record = archive_.find(path);
    std::optional<std::string> text;
    if (record != nullptr) {
      text = archive_.read(*record, most_source_bytes, diagnostics);
    } else {
      diagnostics.error(
          "SWY-3021",
          fmt::format("the archive has no record `{}` for the class `{}`", printable(path), printable(type)),
          {{file_, 0, 0}, ""});
    }
    source = sources_.emplace(path, std::move(text)).first;
  }
  if (!source->second) return nullptr;
  result = script_parameters(*source->second, std::string_view(type).substr(dot + 1));
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
