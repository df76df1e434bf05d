#include "cli/colour.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

namespace switchyard::cli {

namespace {

constexpr std::string_view bold = "1", red = "1;31", green = "1;32", yellow = "1;33", blue = "1;34", cyan = "1;36";
constexpr std::string_view digits = "0123456789";

std::string paint(std::string_view colour, std::string_view text) {
  if (text.empty()) return "";
  return "\x1b[" + std::string(colour) + "m" + std::string(text) + "\x1b[0m";
}

bool starts(std::string_view line, std::string_view with) { return line.substr(0, with.size()) == with; }

/// Calls paint_line(line) for each line and puts the results together again.
template <class PaintLine>
std::string each_line(const std::string& text, PaintLine&& paint_line) {
  std::string out;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = text.find('\n', begin);
    const std::string_view line = std::string_view(text).substr(begin, end == std::string::npos ? end : end - begin);
    out += paint_line(line);
    if (end == std::string::npos) break;
    out += '\n';
    begin = end + 1;
  }
  return out;
}

/// Where the `|` of an excerpt's margin stands: behind spaces, a line number or none, a space. npos in other lines.
std::size_t margin_of(std::string_view line) {
  const auto number = line.find_first_not_of(' ');
  if (number == std::string_view::npos) return number;
  const auto behind = std::min(line.find_first_not_of(digits, number), line.size());
  const auto bar = behind == number ? number : behind + 1;
  if (bar >= line.size() || line[bar] != '|' || bar == 0 || line[bar - 1] != ' ') return std::string_view::npos;
  return bar;
}

class DiagnosticsPainter {
 public:
  std::string operator()(std::string_view line) {
    for (const auto& [word, colour] :
         {std::pair(std::string_view("error"), red), {"warning", yellow}, {"note", cyan}}) {
      if (!starts(line, word) || !starts(line.substr(word.size()), "[SWY-")) continue;
      severity_ = colour;
      const auto end = std::min(line.find(']'), line.size() - 1) + 1;
      return paint(colour, line.substr(0, end)) + paint(bold, line.substr(end));
    }
    if (starts(line, "  --> ") || starts(line, "  ::: ")) return paint(blue, line.substr(0, 5)) + rest(line, 5);
    if (starts(line, "   help: ")) return "   " + paint(cyan, "help") + rest(line, 7);
    if (starts(line, "   note: ")) return "   " + paint(bold, "note") + rest(line, 7);
    if (starts(line, "switchyard: ")) return paint(red, "switchyard") + rest(line, 10);
    const auto number = line.find_first_not_of(digits);
    if (number != 0 && number != std::string_view::npos && starts(line.substr(number), " error"))
      return paint(red, line);
    const auto bar = margin_of(line);
    if (bar == std::string_view::npos) return std::string(line);
    const bool numbered = line.substr(0, bar).find_first_of(digits) != std::string_view::npos;
    const auto mark = line.find_first_not_of(' ', bar + 1);
    const bool marks = !numbered && mark != std::string_view::npos && (line[mark] == '^' || line[mark] == '-');
    const auto excerpt = line.substr(bar + 1);
    return paint(blue, line.substr(0, bar + 1)) +
           (marks ? paint(line[mark] == '^' ? severity_ : blue, excerpt) : std::string(excerpt));
  }

 private:
  static std::string rest(std::string_view line, std::size_t from) { return std::string(line.substr(from)); }
  std::string_view severity_ = red;
};

/// The first words of lines that say what follows.
constexpr std::string_view labels[] = {
    "spec",    "model",  "schedule", "gradients",    "sink",         "state",    "exec",     "stacks",
    "auto",    "checks", "hash",     "lock",         "optimizer",    "settings", "options",  "traits",
    "symbols", "Usage:", "Options:", "Subcommands:", "Positionals:", "Example:", "Examples:"};

std::string paint_output(std::string_view line) {
  if (starts(line, " #  ")) return paint(bold, line);
  const auto word = line.substr(0, line.find(' '));
  if (std::find(std::begin(labels), std::end(labels), word) != std::end(labels))
    return paint(bold, word) + std::string(line.substr(word.size()));
  for (const auto& [mark, colour] : {std::pair(std::string_view("  + "), green), {"  - ", red}, {"  ~ ", yellow}}) {
    if (starts(line, mark)) return paint(colour, line);
  }
  for (const std::string_view good : {"  WINS  ", ": valid, "}) {
    const auto at = line.find(good);
    if (at != std::string_view::npos) {
      return std::string(line.substr(0, at)) + paint(green, good) + std::string(line.substr(at + good.size()));
    }
  }
  return std::string(line);
}

}  // namespace

bool coloured(ColourMode mode, int stream) {
  if (mode != ColourMode::automatic) return mode == ColourMode::always;
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  if (no_color != nullptr && *no_color != '\0') return false;
  if (terminal != nullptr && std::string_view(terminal) == "dumb") return false;
  return ::isatty(stream) == 1;
}

std::string colour_diagnostics(const std::string& text) { return each_line(text, DiagnosticsPainter()); }

std::string colour_output(const std::string& text) { return each_line(text, paint_output); }

}  // namespace switchyard::cli
