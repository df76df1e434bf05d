#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace switchyard {

enum class Severity : std::uint8_t { note, warning, error };

std::string_view to_string(Severity severity);

/// A stretch of bytes of a source text. `length` 0 means a point; an empty `file` means "no place".
struct Span {
  std::string file;
  std::size_t offset = 0;
  std::size_t length = 0;
};

/// Where a fact stands: the bytes, and the JSON pointer (RFC 6901) of the value.
struct Place {
  Span span;
  std::string pointer;
};

/// A second place that belongs to a diagnostic, with what it has to say ("first defined here").
struct Related {
  std::string message;
  Place place;
};

/// One finding. `code` is stable ("SWY-1101"); `message` is one sentence; `label` stands under the carets; `help` holds
/// the exact replacement; `notes` are background. `subject` names the parameter where the finding is about one (then
/// there may be no place).
struct Diagnostic {
  Severity severity = Severity::error;
  std::string code;
  std::string message;
  Place place;
  std::string label;
  std::string help;
  std::vector<std::string> notes;
  std::vector<Related> related;
  std::string subject;
};

/// One-based line and column (in bytes) of an offset.
struct LineColumn {
  int line = 0;
  int column = 0;
};
LineColumn line_column(std::string_view text, std::size_t offset);

/// The texts that spans point into, by file name. Owned by whoever reads files; needed only to render excerpts and line
/// numbers.
using Sources = std::map<std::string, std::string, std::less<>>;

/// An ordered collection of findings. Collect all of them, then ask `has_errors`.
class Diagnostics {
 public:
  /// Adds a finding and returns it for further decoration (valid until the next call).
  Diagnostic& add(Severity severity, std::string code, std::string message, Place place = {});
  Diagnostic& error(std::string code, std::string message, Place place = {}) {
    return add(Severity::error, std::move(code), std::move(message), std::move(place));
  }
  Diagnostic& warning(std::string code, std::string message, Place place = {}) {
    return add(Severity::warning, std::move(code), std::move(message), std::move(place));
  }
  Diagnostic& note(std::string code, std::string message, Place place = {}) {
    return add(Severity::note, std::move(code), std::move(message), std::move(place));
  }
  void append(const Diagnostics& other);

  bool has_errors() const;
  std::size_t count(Severity severity) const;
  bool empty() const { return items_.empty(); }
  const std::vector<Diagnostic>& items() const { return items_; }

  /// Sorts by file and position, keeping the order of findings at one place; findings without a place go last.
  void sort();

 private:
  std::vector<Diagnostic> items_;
};

/// rustc's manner: `severity[code]: message`, `--> file:line:column`, excerpt with carets, `at` pointer, `help:`,
/// `note:`. Shows at most `limit` findings and says how many were left out.
std::string render(const Diagnostics& diagnostics, const Sources& sources, std::size_t limit = 50);

/// "file:line:column", or "" when the span has no file.
std::string render_location(const Span& span, const Sources& sources);

/// A spec, model description or plan that has errors. `what()` is the rendered text.
class SpecError : public OptimizerError {
 public:
  SpecError(Diagnostics diagnostics, const Sources& sources);
  const Diagnostics& diagnostics() const { return diagnostics_; }

 private:
  Diagnostics diagnostics_;
};

/// The nearest of `candidates` to `given`, or "" if none is near: equal after lower-casing and '-' to '_', else
/// restricted Damerau-Levenshtein distance at most max(1, length/3). Ties go to the first candidate.
std::string nearest(std::string_view given, const std::vector<std::string>& candidates);

/// Optimal string alignment distance: insertions, deletions, substitutions and transpositions of neighbours, cost 1
/// each.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace switchyard
