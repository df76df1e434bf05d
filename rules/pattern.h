#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace re2 {
class RE2;
}

namespace switchyard {

/// Why a pattern cannot be used. `offset` and `length` are bytes of the pattern's text.
struct PatternError {
  std::string message;
  std::string help;
  std::size_t offset = 0;
  std::size_t length = 1;
};

/// One alternative of a glob, free of braces: a row of byte classes with loops between them, run as a bit-parallel
/// automaton (each byte of a name costs one step per 64 bytes of the pattern, whatever the pattern: there is no
/// backtracking).
class GlobBranch {
 public:
  /// A set of bytes; `loop` says which bytes may be skipped before it.
  enum class Loop : std::uint8_t { none, continuation, segment, any };  ///< each allows what the one before allows
  struct Item {
    std::bitset<256> bytes;
    Loop loop = Loop::none;
  };

  GlobBranch() = default;
  /// `tail` is the loop behind the last item.
  GlobBranch(std::vector<Item> items, Loop tail);

  bool matches(std::string_view name) const;
  std::size_t length() const { return accept_; }
  /// True if the branch is plain text; then `text()` is all that it matches.
  bool literal() const { return literal_; }
  const std::string& text() const { return text_; }
  /// Stretches of plain text that every match contains.
  const std::vector<std::string>& required() const { return required_; }

 private:
  bool literal_ = false;
  std::string text_;
  std::string prefix_;
  std::string suffix_;
  std::vector<std::string> required_;
  std::size_t words_ = 0;
  std::size_t accept_ = 0;  ///< the last position
  std::array<std::uint8_t, 256> class_of_{};
  std::vector<std::uint64_t> take_;  ///< [class][word]: items that accept a byte of the class
  std::vector<std::uint64_t> stay_;  ///< [kind of byte][word]: positions that loop on it
};

/// A pattern for whole names, case-sensitive, compared byte by byte.
///
/// Glob: '*' any characters but '.', '**' any characters ('.' too, possibly none), '?' one character but '.', '[a-z_]'
/// one of these, '[!a-z]' one that is neither these nor '.', '{a,b}' one of these (may be nested, may be empty), '\'
/// takes the next character as it is. A character is a UTF-8 code point; classes hold ASCII. "re:" and an RE2
/// expression: the whole name must match; '.' matches any character, also a new line.
///
/// Matching is linear in the length of the name. Refused: an empty pattern, look-around and back-references (RE2 has
/// none), more than 1024 alternatives of a glob or 4096 characters in one that is not plain text, an expression beyond
/// RE2's 8 MiB.
class Pattern {
 public:
  /// Null when `text` is broken; `error` then says why and where.
  static std::shared_ptr<const Pattern> compile(const std::string& text, PatternError& error);
  ~Pattern();

  bool matches(std::string_view name) const;
  const std::string& text() const { return text_; }
  bool is_regex() const { return regex_ != nullptr; }

  /// The alternatives of a glob; empty for an expression.
  const std::vector<GlobBranch>& branches() const { return branches_; }
  /// Plain text that every match of an expression contains; empty if none is known.
  const std::vector<std::string>& required() const { return required_; }

  /// The glob with each '*' made '**', or "" if that changes nothing (or the pattern is an expression).
  std::string widened() const;

 private:
  Pattern() = default;
  std::string text_;
  std::vector<GlobBranch> branches_;
  std::unique_ptr<re2::RE2> regex_;
  std::vector<std::string> required_;
};

}  // namespace switchyard
