#include "rules/where_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/diagnostics.h"

namespace switchyard {

namespace {

using Op = Where::Op;
using Nodes = std::vector<Where::Node>;

constexpr std::size_t most_bytes = 1000;
constexpr int most_depth = 50;

const std::vector<std::string> functions = {"min", "max", "sqrt", "abs", "size"};

struct Token {
  enum class Kind : std::uint8_t { number, word, variable, sign, end } kind = Kind::end;
  std::string text;
  double value = 0;
  std::size_t offset = 0;
  std::size_t length = 1;

  bool is(const char* sign) const { return (kind == Kind::sign || kind == Kind::word) && text == sign; }
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// What a sub-expression is, and where it stands.
struct Part {
  int node = -1;
  bool condition = false;  ///< true or false, not a number
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Recursive descent. The first mistake ends it: what follows would be guesses.
class Parser {
 public:
  Parser(const std::string& text, const Where::Variables& variables, WhereError& error)
      : text_(text), variables_(variables), error_(error) {}

  std::optional<Nodes> run() {
    if (text_.size() > most_bytes) {
      fail(fmt::format("the expression has {} bytes, more than {}", text_.size(), most_bytes), 0, 1);
      return std::nullopt;
    }
    if (!next()) return std::nullopt;
    if (token_.kind == Token::Kind::end) {
      fail("the expression is empty", 0, 1, "write a condition such as \"ndim == 2\"");
      return std::nullopt;
    }
    const auto whole = either(0);
    if (!whole) return std::nullopt;
    if (token_.kind != Token::Kind::end) {
      unexpected("the end, `and`, `or` or an operator");
      return std::nullopt;
    }
    if (!want_condition(*whole, "the whole expression")) return std::nullopt;
    return std::move(nodes_);
  }

 private:
  using Result = std::optional<Part>;

  Result fail(std::string message, std::size_t offset, std::size_t length, std::string help = "") {
    error_ = {std::move(message), std::move(help), offset, std::max<std::size_t>(length, 1)};
    return std::nullopt;
  }
  Result unexpected(const std::string& expected) {
    if (token_.kind == Token::Kind::end) {
      return fail(fmt::format("the expression ends where {} should stand", expected),
                  text_.empty() ? 0 : text_.size() - 1, 1);
    }
    return fail(fmt::format("expected {}, got `{}`", expected, token_.text), token_.offset, token_.length,
                token_.is("=") ? "write ==" : "");
  }

  /// Reads the next token into token_.
  bool next() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) != nullptr) ++at_;
    token_ = {};
    token_.offset = at_;
    if (at_ == text_.size()) return true;
    const char c = text_[at_];
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) return number();
    if (is_letter(c) || c == '$') return word();
    for (const char* sign :
         {"<=", ">=", "==", "!=", "&&", "||", "<", ">", "=", "!", "+", "-", "*", "/", "(", ")", ","}) {
      const auto length = std::strlen(sign);
      if (text_.compare(at_, length, sign) != 0) continue;
      take(Token::Kind::sign, length);
      if (token_.text == "&&") token_.text = "and";
      if (token_.text == "||") token_.text = "or";
      if (token_.text == "!") token_.text = "not";
      return true;
    }
    auto length = std::size_t{1};
    while (at_ + length < text_.size() && (static_cast<unsigned char>(text_[at_ + length]) & 0xC0) == 0x80) ++length;
    fail(fmt::format("`{}` has no meaning here", text_.substr(at_, length)), at_, length,
         c == '%' || c == '^' ? "the operators are + - * /" : "");
    return false;
  }
  void take(Token::Kind kind, std::size_t length) {
    token_.kind = kind;
    token_.text = text_.substr(at_, length);
    token_.length = length;
    at_ += length;
  }
  bool number() {
    const auto* begin = text_.data() + at_;
    const auto parsed = std::from_chars(begin, text_.data() + text_.size(), token_.value);
    take(Token::Kind::number, static_cast<std::size_t>(parsed.ptr - begin));
    if (parsed.ec == std::errc() && (at_ == text_.size() || !(is_letter(text_[at_]) || text_[at_] == '.'))) return true;
    fail(fmt::format("`{}` is not a number", token_.text), token_.offset, token_.length);
    return false;
  }
  bool word() {
    auto end = at_ + 1;
    while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    take(text_[at_] == '$' ? Token::Kind::variable : Token::Kind::word, end - at_);
    if (token_.text != "$") return true;
    fail("`$` needs the name of a variable", token_.offset, 1);
    return false;
  }

  bool want_condition(const Part& part, const std::string& what) {
    if (part.condition) return true;
    fail(fmt::format("{} must be a condition, and this is a number", what), part.begin, part.end - part.begin,
         "compare it, as in `numel > 0`");
    return false;
  }
  bool want_number(const Part& part, const std::string& what) {
    if (!part.condition) return true;
    fail(fmt::format("{} works on numbers, and this is a condition", what), part.begin, part.end - part.begin,
         "join conditions by `and` or `or`");
    return false;
  }
  /// At the end of the text there is no deeper level: that something is missing there is the finding.
  bool deeper(int depth) {
    if (depth <= most_depth || token_.kind == Token::Kind::end) return true;
    fail(fmt::format("more than {} levels of nesting", most_depth), token_.offset, token_.length);
    return false;
  }

  Part add(Where::Node node, bool condition, std::size_t begin) {
    nodes_.push_back(node);
    return {static_cast<int>(nodes_.size()) - 1, condition, begin, token_.offset};
  }
  Part join(Op op, const Part& a, const Part& b, bool condition) {
    auto out = add({op, 0, {}, a.node, b.node}, condition, a.begin);
    out.end = b.end;
    return out;
  }

  Result either(int depth) {
    auto left = both(depth);
    while (left && token_.is("or")) left = logical(Op::either, *left, depth);
    return left;
  }
  Result both(int depth) {
    auto left = negation(depth);
    while (left && token_.is("and")) left = logical(Op::both, *left, depth);
    return left;
  }
  Result logical(Op op, const Part& left, int depth) {
    const auto what = fmt::format("`{}`", token_.text);
    if (!want_condition(left, "each side of " + what) || !next()) return std::nullopt;
    const auto right = op == Op::either ? both(depth) : negation(depth);
    if (!right || !want_condition(*right, "each side of " + what)) return std::nullopt;
    return join(op, left, *right, true);
  }
  Result negation(int depth) {
    if (!token_.is("not")) return comparison(depth);
    const auto begin = token_.offset;
    if (!deeper(depth) || !next()) return std::nullopt;
    const auto inner = negation(depth + 1);
    if (!inner || !want_condition(*inner, "what `not` negates")) return std::nullopt;
    auto out = add({Op::negation, 0, {}, inner->node, -1}, true, begin);
    out.end = inner->end;
    return out;
  }
  static std::optional<Op> comparing(const Token& token) {
    constexpr std::pair<const char*, Op> signs[] = {{"<", Op::less},    {"<=", Op::less_equal},
                                                    {">", Op::greater}, {">=", Op::greater_equal},
                                                    {"==", Op::equal},  {"!=", Op::not_equal}};
    for (const auto& [sign, op] : signs) {
      if (token.is(sign)) return op;
    }
    return std::nullopt;
  }
  Result comparison(int depth) {
    auto left = sum(depth);
    if (!left) return left;
    const auto op = comparing(token_);
    if (!op) return left;
    const auto what = fmt::format("`{}`", token_.text);
    if (!want_number(*left, what) || !next()) return std::nullopt;
    const auto right = sum(depth);
    if (!right || !want_number(*right, what)) return std::nullopt;
    if (comparing(token_)) {
      return fail("comparisons do not chain", token_.offset, token_.length,
                  fmt::format("write `{0} and {1} {2} ...`", text_.substr(left->begin, right->end - left->begin),
                              text_.substr(right->begin, right->end - right->begin), token_.text));
    }
    return join(*op, *left, *right, true);
  }
  Result sum(int depth) {
    auto left = product(depth);
    while (left && (token_.is("+") || token_.is("-"))) {
      const auto op = token_.is("+") ? Op::add : Op::subtract;
      left = calculation(op, *left, depth);
    }
    return left;
  }
  Result product(int depth) {
    auto left = factor(depth);
    while (left && (token_.is("*") || token_.is("/"))) {
      const auto op = token_.is("*") ? Op::multiply : Op::divide;
      left = calculation(op, *left, depth);
    }
    return left;
  }
  Result calculation(Op op, const Part& left, int depth) {
    const auto what = fmt::format("`{}`", token_.text);
    if (!want_number(left, what) || !next()) return std::nullopt;
    const auto right = op == Op::add || op == Op::subtract ? product(depth) : factor(depth);
    if (!right || !want_number(*right, what)) return std::nullopt;
    return join(op, left, *right, false);
  }
  Result factor(int depth) {
    if (!deeper(depth)) return std::nullopt;
    const auto token = token_;
    if (token.is("-")) {
      if (!next()) return std::nullopt;
      const auto inner = factor(depth + 1);
      if (!inner || !want_number(*inner, "`-`")) return std::nullopt;
      auto out = add({Op::negate, 0, {}, inner->node, -1}, false, token.offset);
      out.end = inner->end;
      return out;
    }
    if (token.is("(")) {
      if (!next()) return std::nullopt;
      auto inner = either(depth + 1);
      if (!inner) return inner;
      if (!token_.is(")")) return unexpected("`)`");
      inner->begin = token.offset;
      inner->end = token_.offset + 1;
      if (!next()) return std::nullopt;
      return inner;
    }
    if (token.kind == Token::Kind::number) return leaf({Op::number, token.value, {}, -1, -1}, token);
    if (token.kind == Token::Kind::variable) return variable(token);
    const bool keyword = token.is("and") || token.is("or") || token.is("not");
    if (token.kind == Token::Kind::word && !keyword) return named(token, depth);
    return unexpected("a number, a name or `(`");
  }
  Result leaf(const Where::Node& node, const Token& token) {
    if (!next()) return std::nullopt;
    auto out = add(node, false, token.offset);
    out.end = token.offset + token.length;
    return out;
  }
  Result variable(const Token& token) {
    const auto value = variables_(std::string_view(token.text).substr(1));
    if (value) return leaf({Op::number, *value, {}, -1, -1}, token);
    return fail(fmt::format("`{}` is no number of `vars`", token.text), token.offset, token.length);
  }
  Result named(const Token& token, int depth) {
    const auto& names = where_names();
    const auto found = std::find(names.begin(), names.end(), token.text);
    if (found != names.end()) {
      return leaf({Op::name, 0, static_cast<Where::Name>(found - names.begin()), -1, -1}, token);
    }
    if (std::find(functions.begin(), functions.end(), token.text) != functions.end()) return call(token, depth);
    auto legal = names;
    for (const auto& function : functions) legal.push_back(function);
    const auto near = nearest(token.text, legal);
    return fail(fmt::format("unknown name `{}`", token.text), token.offset, token.length,
                fmt::format("{}(names: {}; functions: {})", near.empty() ? "" : "did you mean `" + near + "`?   ",
                            fmt::join(names, ", "), fmt::join(functions, ", ")));
  }
  Result call(const Token& token, int depth) {
    if (!next()) return std::nullopt;
    if (!token_.is("(")) return unexpected(fmt::format("`(` after `{}`", token.text));
    if (!next()) return std::nullopt;
    if (token.text == "size") {
      const auto axis = token_;
      if (axis.kind != Token::Kind::number || axis.value != std::floor(axis.value) || axis.value > 63)
        return unexpected("the number of an axis, 0 to 63");
      if (!next()) return std::nullopt;
      if (!token_.is(")")) return unexpected("`)`");
      return close({Op::size, axis.value, {}, -1, -1}, token);
    }
    auto all = either(depth + 1);
    if (!all || !want_number(*all, "`" + token.text + "`")) return std::nullopt;
    const bool many = token.text == "min" || token.text == "max";
    if (many && !token_.is(",")) return unexpected(fmt::format("`,` (`{}` takes two or more numbers)", token.text));
    while (many && token_.is(",")) {
      if (!next()) return std::nullopt;
      const auto one = either(depth + 1);
      if (!one || !want_number(*one, "`" + token.text + "`")) return std::nullopt;
      all = join(token.text == "min" ? Op::min : Op::max, *all, *one, false);
    }
    if (!token_.is(")")) return unexpected("`)`");
    if (!many) return close({token.text == "sqrt" ? Op::sqrt : Op::abs, 0, {}, all->node, -1}, token);
    all->begin = token.offset;
    all->end = token_.offset + 1;
    if (!next()) return std::nullopt;
    return all;
  }
  Result close(const Where::Node& node, const Token& token) {
    const auto end = token_.offset + 1;
    if (!next()) return std::nullopt;
    auto out = add(node, false, token.offset);
    out.end = end;
    return out;
  }

  const std::string& text_;
  const Where::Variables& variables_;
  WhereError& error_;
  std::size_t at_ = 0;
  Token token_;
  Nodes nodes_;
};

}  // namespace

const std::vector<std::string>& where_names() {
  static const std::vector<std::string> names = {"ndim",   "numel",  "rows",    "cols",
                                                 "aspect", "fan_in", "fan_out", "layer"};
  return names;
}

std::optional<std::vector<Where::Node>> parse_where(const std::string& text, const Where::Variables& variables,
                                                    WhereError& error) {
  return Parser(text, variables, error).run();
}

}  // namespace switchyard
