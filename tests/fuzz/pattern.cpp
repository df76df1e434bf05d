// A pattern and names to try it on, one a line. Globs are compared with their definition, written out below; what the
// index of patterns relies on (plain text that every match contains) must hold for expressions as well.
#include "rules/pattern.h"

#include <vector>

#include "rules/match_index.h"
#include "tests/fuzz/fuzz.h"

namespace switchyard::fuzz {

namespace {

/// The text up to the brace or comma of this depth that ends an alternative.
std::size_t alternative_end(std::string_view text, std::size_t at) {
  for (int depth = 0; at < text.size(); ++at) {
    if (text[at] == '{') ++depth;
    if (depth == 0 && (text[at] == ',' || text[at] == '}')) return at;
    if (text[at] == '}') --depth;
  }
  return at;
}

/// All alternatives of a glob without classes and escapes; empty when there are too many.
std::vector<std::string> expand(const std::string& glob) {
  std::vector<std::string> out = {glob};
  for (std::size_t i = 0; i < out.size();) {
    const auto open = out[i].find('{');
    if (open == std::string::npos) {
      ++i;
      continue;
    }
    const auto text = out[i];
    const auto close = [&] {
      auto at = open + 1;
      while (text[alternative_end(text, at)] == ',') at = alternative_end(text, at) + 1;
      return alternative_end(text, at);
    }();
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(i));
    for (auto at = open + 1; at <= close; at = alternative_end(text, at) + 1)
      out.push_back(text.substr(0, open) + text.substr(at, alternative_end(text, at) - at) + text.substr(close + 1));
    if (out.size() > 64) return {};
  }
  return out;
}

/// '*' any but '.', '**' any, '?' one but '.': for ASCII, by a table of [pattern][name].
bool plainly(std::string_view glob, std::string_view name) {
  std::vector<char> at(glob.size() + 1, 0);  // which tails of the glob match the tail of the name
  at[glob.size()] = 1;
  const auto stars = [&](std::size_t i) { return i + 1 < glob.size() && glob[i] == '*' && glob[i + 1] == '*'; };
  const auto settle = [&](const std::vector<char>* before, char c) {
    for (std::size_t i = glob.size(); i-- > 0;) {
      const bool take = before != nullptr && (glob[i] == '?' ? c != '.' : glob[i] != '*' && glob[i] == c);
      at[i] = take && (*before)[i + 1] != 0 ? 1 : 0;
      if (stars(i)) {
        at[i] = at[i + 2] != 0 || (before != nullptr && (*before)[i] != 0) ? 1 : 0;
      } else if (glob[i] == '*') {
        at[i] = at[i + 1] != 0 || (before != nullptr && c != '.' && (*before)[i] != 0) ? 1 : 0;
      }
    }
  };
  settle(nullptr, 0);
  for (std::size_t n = name.size(); n-- > 0;) {
    const auto before = at;
    at[glob.size()] = 0;
    settle(&before, name[n]);
  }
  return at[0] != 0;
}

bool plain_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80 || c == '[' || c == '\\') return false;
  }
  return true;
}

void check_definition(const Pattern& pattern, const std::string& name, bool hit) {
  if (pattern.is_regex() || !plain_ascii(pattern.text()) || !plain_ascii(name)) return;
  const auto globs = expand(pattern.text());
  if (globs.empty()) return;
  bool want = false;
  for (const auto& glob : globs) want = want || plainly(glob, name);
  require(hit == want, "`" + pattern.text() + "` on `" + name + "` is as defined");
}

}  // namespace

void fuzz_pattern(std::string_view input) {
  std::vector<std::string> lines = {""};
  for (const char c : input) {
    if (c == '\n' && lines.size() < 9)
      lines.emplace_back();
    else
      lines.back() += c;
  }
  const auto text = lines.front();
  lines.erase(lines.begin());
  PatternError error;
  const auto pattern = Pattern::compile(text, error);
  if (!pattern) {
    require(!error.message.empty() && error.offset <= text.size(), "a broken pattern says why and where");
    return;
  }
  if (const auto wider = pattern->widened(); !wider.empty()) {
    const auto compiled = Pattern::compile(wider, error);
    require(compiled != nullptr, "a widened pattern is a pattern");
    for (const auto& name : lines)
      require(!pattern->matches(name) || compiled->matches(name), "a widened pattern matches what the pattern does");
  }
  Match match;
  match.names = {0};
  const PatternList patterns = {pattern};
  for (const auto& name : lines) {
    const bool hit = pattern->matches(name);
    check_definition(*pattern, name, hit);
    if (hit) {
      for (const auto& part : pattern->required())
        require(name.find(part) != std::string::npos, "`" + name + "` has the text that the pattern needs");
    }
    ParameterInfo info;
    info.names = {name};
    Diagnostics diagnostics;
    const auto table = ParameterTable::build({info}, diagnostics);
    if (diagnostics.has_errors()) continue;
    MatchIndex index(patterns, {{&match, nullptr, true}}, table);
    std::vector<std::uint64_t> bits;
    index.matching(table[0], info.names, bits);
    require(((bits[0] & 1) != 0) == hit, "the index finds what comparing finds: `" + text + "` on `" + name + "`");
  }
}

}  // namespace switchyard::fuzz
