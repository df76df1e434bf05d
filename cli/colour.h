#pragma once

#include <cstdint>
#include <string>

namespace switchyard::cli {

/// What `--color` asks for.
enum class ColourMode : std::uint8_t { automatic, always, never };

/// Whether to colour what goes to a stream: `automatic` does it on a terminal, unless NO_COLOR is set and not empty
/// (no-color.org) or TERM is "dumb". `always` and `never` overrule the environment.
bool coloured(ColourMode mode, int stream);

/// Finished text with escape sequences (ECMA-48 SGR) put in by the form of its lines; without them it is the same text.
/// Verbs know nothing of colour, and files and JSON never come here.
/// Diagnostics in rustc's manner: severity and code, message, arrows, line numbers, marks under an excerpt, help.
std::string colour_diagnostics(const std::string& text);
/// What verbs print for people: labels, heads of tables, what wins, lines that came and went.
std::string colour_output(const std::string& text);

}  // namespace switchyard::cli
