#include "rules/glob.h"

#include <fmt/format.h>

#include <algorithm>

namespace switchyard {

namespace {

using Item = GlobBranch::Item;
using Loop = GlobBranch::Loop;

constexpr std::size_t most_branches = 1024;
constexpr std::size_t most_items = 4096;     // of one branch that is not plain text: 64 machine words a step
constexpr std::size_t most_total = 1 << 18;  // of all branches together
constexpr int most_depth = 32;

struct Draft {
  std::vector<Item> items;
  Loop tail = Loop::none;
};

/// First bytes of characters: everything but UTF-8 continuation bytes.
bool starts_character(unsigned byte) { return (byte & 0xC0) != 0x80; }

class GlobParser {
 public:
  GlobParser(const std::string& text, PatternError& error) : text_(text), error_(error) {}

  std::optional<std::vector<Draft>> parse() {
    auto drafts = sequence(0);
    if (!failed_ && at_ < text_.size()) fail("`}` closes nothing", "write \\} for the character itself", at_, 1);
    if (failed_) return std::nullopt;
    return drafts;
  }

 private:
  void fail(std::string message, std::string help, std::size_t offset, std::size_t length) {
    if (failed_) return;
    failed_ = true;
    error_ = {std::move(message), std::move(help), offset, length};
  }

  bool more() const { return !failed_ && at_ < text_.size(); }

  static void append(std::vector<Draft>& drafts, const Item& item, Loop after) {
    for (auto& draft : drafts) {
      draft.items.push_back({item.bytes, std::max(item.loop, draft.tail)});
      draft.tail = after;
    }
  }

  void append_byte(std::vector<Draft>& drafts, char byte) {
    Item item;
    item.bytes.set(static_cast<unsigned char>(byte));
    append(drafts, item, Loop::none);
  }

  /// Until the end, or (inside braces) until ',' or '}'.
  std::vector<Draft> sequence(int depth) {
    std::vector<Draft> drafts(1);
    while (more()) {
      const char c = text_[at_];
      if (c == '}' || (depth > 0 && c == ',')) break;
      if (c == '*') {
        const auto begin = at_;
        while (at_ < text_.size() && text_[at_] == '*') ++at_;
        const auto loop = at_ - begin > 1 ? Loop::any : Loop::segment;
        for (auto& draft : drafts) draft.tail = std::max(draft.tail, loop);
      } else if (c == '?') {
        ++at_;
        Item item;
        for (unsigned byte = 0; byte < 256; ++byte) item.bytes.set(byte, starts_character(byte) && byte != '.');
        append(drafts, item, Loop::continuation);
      } else if (c == '[') {
        bool negated = false;
        const auto item = byte_class(negated);
        append(drafts, item, negated ? Loop::continuation : Loop::none);
      } else if (c == '{') {
        drafts = join(drafts, alternatives(depth + 1));
      } else if (c == '\\') {
        if (at_ + 1 == text_.size()) {
          fail("`\\` at the end takes no character", "write \\\\ for the character itself", at_, 1);
          break;
        }
        append_byte(drafts, text_[at_ + 1]);
        at_ += 2;
      } else {
        append_byte(drafts, c);
        ++at_;
      }
    }
    return drafts;
  }

  Item byte_class(bool& negated) {
    const auto begin = at_++;
    Item item;
    if (at_ < text_.size() && text_[at_] == '^') {
      fail("`[^` is not a negation here", "write [!...] for a character that is none of these", begin, 2);
      return item;
    }
    negated = at_ < text_.size() && text_[at_] == '!';
    if (negated) ++at_;
    for (bool first = true;; first = false) {
      if (at_ >= text_.size()) {
        fail("`[` is not closed", "write \\[ for the character itself", begin, 1);
        return item;
      }
      if (text_[at_] == ']' && !first) break;
      const auto low_at = at_;
      const auto low = class_byte(begin);
      auto high = low;
      if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        ++at_;
        high = class_byte(begin);
      }
      if (failed_) return item;
      if (high < low) {
        fail(fmt::format("the range `{}` runs backwards", text_.substr(low_at, at_ - low_at)),
             "write the smaller end first", low_at, at_ - low_at);
        return item;
      }
      for (auto byte = low; byte <= high; ++byte) item.bytes.set(byte);
    }
    ++at_;
    if (negated) {
      for (unsigned byte = 0; byte < 256; ++byte)
        item.bytes.set(byte, !item.bytes.test(byte) && starts_character(byte) && byte != '.');
    }
    return item;
  }

  unsigned class_byte(std::size_t begin) {
    if (text_[at_] == '\\') ++at_;
    if (at_ >= text_.size()) {
      fail("`[` is not closed", "write \\[ for the character itself", begin, 1);
      return 0;
    }
    const auto byte = static_cast<unsigned char>(text_[at_++]);
    if (byte >= 0x80) fail("a class holds ASCII characters only", "write alternatives: {é,ü}", at_ - 1, 1);
    return byte;
  }

  std::vector<Draft> alternatives(int depth) {
    const auto begin = at_++;
    std::vector<Draft> out;
    if (depth > most_depth) {
      fail(fmt::format("braces are nested deeper than {}", most_depth), "write a list of patterns", begin, 1);
      return out;
    }
    for (;;) {
      auto branch = sequence(depth);
      std::move(branch.begin(), branch.end(), std::back_inserter(out));
      if (out.size() > most_branches) too_many(begin);
      if (failed_) return out;
      if (at_ >= text_.size()) {
        fail("`{` is not closed", "write \\{ for the character itself", begin, 1);
        return out;
      }
      if (text_[at_++] == '}') break;
    }
    if (at_ - begin == 2) fail("`{}` holds no alternative", "write \\{\\} for the characters themselves", begin, 2);
    return out;
  }

  void too_many(std::size_t begin) {
    fail(fmt::format("the braces stand for more than {} alternatives", most_branches), "use an expression: \"re:...\"",
         begin, 1);
  }

  std::vector<Draft> join(const std::vector<Draft>& heads, const std::vector<Draft>& tails) {
    std::vector<Draft> out;
    if (failed_) return out;
    std::size_t total = 0;
    for (const auto& head : heads) {
      for (const auto& tail : tails) {
        total += head.items.size() + tail.items.size();
        if (out.size() == most_branches || total > most_total) {
          too_many(text_.find('{'));
          return out;
        }
        auto draft = head;
        for (const auto& item : tail.items) {
          draft.items.push_back({item.bytes, std::max(item.loop, draft.tail)});
          draft.tail = Loop::none;
        }
        draft.tail = std::max(draft.tail, tail.tail);
        out.push_back(std::move(draft));
      }
    }
    return out;
  }

  const std::string& text_;
  PatternError& error_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace

std::optional<std::vector<GlobBranch>> parse_glob(const std::string& text, PatternError& error) {
  auto drafts = GlobParser(text, error).parse();
  if (!drafts) return std::nullopt;
  std::vector<GlobBranch> out;
  for (auto& draft : *drafts) {
    GlobBranch branch(std::move(draft.items), draft.tail);
    if (!branch.literal() && branch.length() > most_items) {
      error = {fmt::format("a pattern with wildcards may have at most {} characters", most_items), "", 0, text.size()};
      return std::nullopt;
    }
    out.push_back(std::move(branch));
  }
  return out;
}

}  // namespace switchyard
