#include "core/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace switchyard {

namespace {

std::string_view line_at(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const auto before = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  const auto begin = before == std::string_view::npos ? 0 : before + 1;
  const auto end = text.find('\n', begin);
  auto line = text.substr(begin, end == std::string_view::npos ? text.size() - begin : end - begin);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

/// One excerpt: the line (cut to a window around the span when it is long) and a row of marks under the span.
void append_excerpt(std::string& out, std::string_view text, const Span& span, char mark, std::string_view label) {
  constexpr std::size_t window = 100;
  const auto place = line_column(text, span.offset);
  std::string line(line_at(text, span.offset));
  std::size_t column = static_cast<std::size_t>(place.column) - 1;
  std::size_t length = std::max<std::size_t>(1, std::min(span.length, line.size() > column ? line.size() - column : 1));
  for (auto& c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  if (line.size() > window) {
    const std::size_t begin = column > window / 3 ? std::min(column - window / 3, line.size() - window / 2) : 0;
    const auto cut_end = begin + window < line.size();
    line = line.substr(begin, window) + (cut_end ? "..." : "");
    if (begin > 0) line = "..." + line;
    column = column - begin + (begin > 0 ? 3 : 0);
    length = std::min(length, line.size() > column ? line.size() - column : 1);
  }
  const auto number = std::to_string(place.line);
  const std::string margin(std::max<std::size_t>(number.size(), 2), ' ');
  out += fmt::format("{} |\n{:>{}} | {}\n{} | {}{}{}{}\n", margin, number, margin.size(), line, margin,
                     std::string(column, ' '), std::string(length, mark), label.empty() ? "" : " ", label);
}

const std::string* source_of(const Span& span, const Sources& sources) {
  const auto found = sources.find(span.file);
  return found == sources.end() ? nullptr : &found->second;
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::note:
      return "note";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "error";
}

LineColumn line_column(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const auto before = text.substr(0, offset);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const auto last = before.rfind('\n');
  const auto column = last == std::string_view::npos ? offset : offset - last - 1;
  return {static_cast<int>(lines) + 1, static_cast<int>(column) + 1};
}

Diagnostic& Diagnostics::add(Severity severity, std::string code, std::string message, Place place) {
  auto& item = items_.emplace_back();
  item.severity = severity;
  item.code = std::move(code);
  item.message = std::move(message);
  item.place = std::move(place);
  return item;
}

void Diagnostics::append(const Diagnostics& other) {
  items_.insert(items_.end(), other.items_.begin(), other.items_.end());
}

bool Diagnostics::has_errors() const { return count(Severity::error) > 0; }

std::size_t Diagnostics::count(Severity severity) const {
  return static_cast<std::size_t>(
      std::count_if(items_.begin(), items_.end(), [&](const Diagnostic& item) { return item.severity == severity; }));
}

void Diagnostics::sort() {
  std::stable_sort(items_.begin(), items_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    const auto key = [](const Diagnostic& item) {
      const auto& span = item.place.span;
      return std::make_tuple(span.file.empty(), std::string_view(span.file), span.offset);
    };
    return key(a) < key(b);
  });
}

std::string render_location(const Span& span, const Sources& sources) {
  if (span.file.empty()) return "";
  const auto* text = source_of(span, sources);
  if (text == nullptr) return span.file;
  const auto place = line_column(*text, span.offset);
  return fmt::format("{}:{}:{}", span.file, place.line, place.column);
}

std::string render(const Diagnostics& diagnostics, const Sources& sources, std::size_t limit) {
  std::string out;
  std::size_t shown = 0;
  for (const auto& item : diagnostics.items()) {
    if (shown++ == limit) {
      out += fmt::format("... and {} more findings\n", diagnostics.items().size() - limit);
      break;
    }
    if (!out.empty()) out += "\n";
    out += fmt::format("{}[{}]: {}\n", to_string(item.severity), item.code, item.message);
    const auto show = [&](const Place& place, char mark, std::string_view label, bool primary) {
      if (place.span.file.empty()) return;
      const auto* text = source_of(place.span, sources);
      out += fmt::format("  {} {}\n", primary ? "-->" : ":::", render_location(place.span, sources));
      if (text != nullptr) append_excerpt(out, *text, place.span, mark, label);
    };
    show(item.place, '^', item.label, true);
    for (const auto& related : item.related) show(related.place, '-', related.message, false);
    if (!item.place.pointer.empty()) out += fmt::format("   at {}\n", item.place.pointer);
    if (!item.help.empty()) out += fmt::format("   help: {}\n", item.help);
    for (const auto& note : item.notes) out += fmt::format("   note: {}\n", note);
  }
  return out;
}

SpecError::SpecError(Diagnostics diagnostics, const Sources& sources)
    : OptimizerError(render(diagnostics, sources)), diagnostics_(std::move(diagnostics)) {}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> two(b.size() + 1), one(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) one[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({one[j] + 1, row[j - 1] + 1, one[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], two[j - 2] + 1);
    }
    std::swap(two, one);
    std::swap(one, row);
  }
  return one[b.size()];
}

std::string nearest(std::string_view given, const std::vector<std::string>& candidates) {
  // Names longer than this are data, not typing errors; the quadratic distance must not become a way to burn time.
  constexpr std::size_t longest = 200;
  const auto fold = [](std::string_view text) {
    std::string out(text);
    for (auto& c : out) c = c == '-' ? '_' : (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    return out;
  };
  if (given.size() > longest) return "";
  const auto folded = fold(given);
  for (const auto& candidate : candidates) {
    if (fold(candidate) == folded) return candidate;
  }
  const auto allowed = std::max<std::size_t>(1, given.size() / 3);
  std::size_t best = allowed + 1;
  std::string result;
  for (const auto& candidate : candidates) {
    if (candidate.size() > given.size() + allowed || given.size() > candidate.size() + allowed) continue;
    const auto distance = edit_distance(folded, fold(candidate));
    if (distance < best) {
      best = distance;
      result = candidate;
    }
  }
  return result;
}

}  // namespace switchyard
