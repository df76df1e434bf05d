#include "rules/pattern.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <string>

#include "rules/glob.h"

namespace switchyard {

namespace {

constexpr std::string_view regex_mark = "re:";

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// Position behind a bracket expression or a group that opens at `at`; npos if it is not simple.
std::size_t skip_class(std::string_view text, std::size_t at) {
  auto i = at + 1;
  if (i < text.size() && text[i] == '^') ++i;
  if (i < text.size() && text[i] == ']') ++i;
  for (; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text.substr(i, 2) == "[:") {  // [:alpha:], whose last byte is not the end of the class
      const auto end = text.find(":]", i);
      if (end == std::string_view::npos) return end;
      i = end + 1;
    } else if (text[i] == ']') {
      return i + 1;
    }
  }
  return std::string_view::npos;
}
std::size_t skip_group(std::string_view text, std::size_t at) {
  int depth = 0;
  for (auto i = at; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '[') {
      const auto end = skip_class(text, i);
      if (end == std::string_view::npos) return end;
      i = end - 1;
    } else if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

/// Position behind "*", "+", "?", "{2}", "{2,}" or "{2,3}" at `at`; `at` if there is none: any other "{" is plain text.
std::size_t skip_repetition(std::string_view text, std::size_t at) {
  if (text[at] == '*' || text[at] == '+' || text[at] == '?') return at + 1;
  if (text[at] != '{') return at;
  auto i = at + 1;
  const auto digits = [&] {
    const auto begin = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i > begin;
  };
  if (!digits()) return at;
  if (i < text.size() && text[i] == ',') {
    ++i;
    digits();
  }
  return i < text.size() && text[i] == '}' ? i + 1 : at;
}

/// Plain text outside groups, classes and quantifiers, which every whole-name match contains. Careful rather than
/// clever: an expression with alternatives at the top level, flags or unusual escapes gives none.
std::vector<std::string> required_text(std::string_view text) {
  std::vector<std::string> out;
  std::string stretch;
  const auto flush = [&] {
    if (!stretch.empty()) out.push_back(stretch);
    stretch.clear();
  };
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '|' || c == ')') return {};
    if (c == '(' || c == '[') {
      if (text.substr(i, 2) == "(?" && text.substr(i, 3) != "(?:") return {};
      flush();
      i = c == '(' ? skip_group(text, i) : skip_class(text, i);
      if (i == std::string_view::npos) return {};
    } else if (c == '\\') {
      if (i + 1 == text.size()) return {};
      const char escaped = text[i + 1];
      if (is_word(escaped)) {
        if (std::string_view("dDwWsSbBAz").find(escaped) == std::string_view::npos) return {};
        flush();
      } else if (static_cast<unsigned char>(escaped) < 0x80) {
        stretch += escaped;
      } else {
        return {};
      }
      i += 2;
    } else if (const auto behind = skip_repetition(text, i); behind > i) {
      if (!stretch.empty()) stretch.pop_back();
      flush();
      i = behind;
    } else if (c == '.' || c == '^' || c == '$' || static_cast<unsigned char>(c) >= 0x80) {
      flush();
      ++i;
    } else {
      stretch += c;
      ++i;
    }
  }
  flush();
  return out;
}

bool inside_class(std::string_view text, std::size_t at) {
  for (std::size_t i = 0; i < at; ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '[') {
      const auto end = skip_class(text, i);
      if (end == std::string_view::npos || end > at) return true;
      i = end - 1;
    }
  }
  return false;
}

/// What RE2 has no linear-time way to do; its own message ("invalid perl operator") helps nobody.
bool refuse_backtracking(std::string_view text, PatternError& error) {
  for (const std::string_view opening : {"(?=", "(?!", "(?<=", "(?<!"}) {
    const auto at = text.find(opening);
    if (at == std::string_view::npos || (at > 0 && text[at - 1] == '\\') || inside_class(text, at)) continue;
    error = {fmt::format("look-around `{}` is not supported: matching is linear-time", opening),
             "match more, and take away what is too much with `except`", at, opening.size()};
    return true;
  }
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '\\') continue;
    const bool back_reference = (text[i + 1] >= '1' && text[i + 1] <= '9') || text[i + 1] == 'k';
    if (back_reference && !inside_class(text, i)) {
      error = {fmt::format("the back-reference `{}` is not supported: matching is linear-time", text.substr(i, 2)),
               "list the cases, or take away what is too much with `except`", i, 2};
      return true;
    }
    ++i;
  }
  return false;
}

}  // namespace

Pattern::~Pattern() = default;

std::shared_ptr<const Pattern> Pattern::compile(const std::string& text, PatternError& error) {
  std::shared_ptr<Pattern> pattern(new Pattern);
  pattern->text_ = text;
  if (text.empty() || text == regex_mark) {
    error = {"the pattern is empty", "\"**\" matches every name", 0, text.size()};
    return nullptr;
  }
  if (text.compare(0, regex_mark.size(), regex_mark) != 0) {
    auto branches = parse_glob(text, error);
    if (!branches) return nullptr;
    pattern->branches_ = std::move(*branches);
    return pattern;
  }
  const auto expression = text.substr(regex_mark.size());
  const auto fail = [&](PatternError found) {
    found.offset += regex_mark.size();
    error = std::move(found);
    return nullptr;
  };
  PatternError found;
  if (refuse_backtracking(expression, found)) return fail(std::move(found));
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_never_capture(true);
  options.set_max_mem(8 << 20);
  pattern->regex_ = std::make_unique<re2::RE2>(expression, options);
  if (!pattern->regex_->ok()) {
    const auto& fragment = pattern->regex_->error_arg();
    const auto at = fragment.empty() ? std::string::npos : expression.find(fragment);
    found.message = fmt::format("not an expression: {}", pattern->regex_->error().substr(0, 200));
    found.help = "the syntax is RE2's; the whole name must match";
    found.offset = at == std::string::npos ? 0 : at;
    found.length = at == std::string::npos ? expression.size() : fragment.size();
    return fail(std::move(found));
  }
  pattern->required_ = required_text(expression);
  return pattern;
}

bool Pattern::matches(std::string_view name) const {
  if (regex_ != nullptr) return re2::RE2::FullMatch(re2::StringPiece(name.data(), name.size()), *regex_);
  return std::any_of(branches_.begin(), branches_.end(),
                     [&](const GlobBranch& branch) { return branch.matches(name); });
}

std::string Pattern::widened() const {
  if (is_regex()) return "";
  std::string out;
  bool changed = false;
  bool in_class = false;
  for (std::size_t i = 0; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '\\' && i + 1 < text_.size()) {
      out += text_.substr(i++, 2);
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    if (c == '*' && !in_class) {
      const bool doubled = i + 1 < text_.size() && text_[i + 1] == '*';
      changed = changed || !doubled;
      while (i + 1 < text_.size() && text_[i + 1] == '*') ++i;
      out += "**";
      continue;
    }
    out += c;
  }
  return changed ? out : "";
}

}  // namespace switchyard
