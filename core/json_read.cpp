#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "core/json.h"
#include "core/json_edit.h"

namespace switchyard {

namespace {

/// The same pointer for the same name. Values outlive documents, so names are kept; a program reads few files.
const std::string* kept_name(const std::string& file) {
  static std::mutex mutex;
  static std::set<std::string>& names = *new std::set<std::string>;
  const std::lock_guard lock(mutex);
  return &*names.insert(file).first;
}

}  // namespace

/// SAX receiver that builds positioned values. nlohmann's parser gives no positions, but between two tokens of valid
/// JSON there is only white space, ',' and ':', so a token starts at the first other byte after the previous token's
/// end. The contents of the containers that are still open lie on two stacks, so that each finished container gets
/// exactly the room that it needs.
class JsonBuilder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  JsonBuilder(std::string_view text, const std::string& file, Diagnostics& diagnostics, const JsonLimits& limits)
      : text_(text), file_(kept_name(file)), diagnostics_(diagnostics), limits_(limits) {}

  bool null() { return place(Json::null(), 4); }
  bool boolean(bool value) { return place(Json::boolean(value), value ? 4 : 5); }
  bool number_integer(number_integer_t value) { return place(Json::integer(value), number_length()); }
  bool number_unsigned(number_unsigned_t value) {
    if (value <= static_cast<number_unsigned_t>(INT64_MAX)) {
      return place(Json::integer(static_cast<std::int64_t>(value)), number_length());
    }
    return place_overflow(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t& text) {
    const bool integral = text.find_first_of(".eE") == string_t::npos;
    return integral ? place_overflow(value) : place(Json::real(value), number_length());
  }
  bool string(string_t& value) {
    const auto begin = next_token();
    const auto length = string_length(begin);
    if (value.find('\0') != string_t::npos) {
      diagnostics_.error("SWY-1004", "strings and keys must not contain U+0000", {span(begin, length), pointer()});
      failed_ = true;
    }
    return place(Json::string(std::move(value)), length);
  }
  bool binary(binary_t&) { return false; }

  bool start_object(std::size_t) { return open(true, members_.size()); }
  bool start_array(std::size_t) { return open(false, items_.size()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& value) {
    const auto begin = next_token();
    const auto length = string_length(begin);
    end_ = begin + length;
    auto& frame = stack_.back();
    frame.key_offset = begin;
    frame.key_length = length;
    frame.skip = false;
    frame.key = value;
    if (value.find('\0') != string_t::npos) {
      diagnostics_.error("SWY-1004", "strings and keys must not contain U+0000", {span(begin, length), pointer()});
      failed_ = true;
    }
    if (const auto* first = defined(frame)) {
      frame.skip = true;
      auto& finding =
          diagnostics_.error("SWY-1003", fmt::format("duplicate key `{}`", value), {span(begin, length), pointer()});
      finding.label = "defined again";
      finding.related.push_back({"first defined here", {span(first->key_offset, first->key_length), ""}});
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ..." -> the part after the
    // position.
    std::string what = error.what();
    if (const auto id = what.find("] "); id != std::string::npos) what = what.substr(id + 2);
    if (const auto colon = what.find(": "); what.rfind("parse error at", 0) == 0 && colon != std::string::npos) {
      what = what.substr(colon + 2);
    }
    std::string clean;
    for (const auto c : what)
      clean += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e ? '?' : c;
    const auto offset = std::min(position == 0 ? 0 : position - 1, text_.size());
    diagnostics_.error("SWY-1001", fmt::format("not valid JSON: {}", clean),
                       {span(offset, offset < text_.size() ? 1 : 0), ""});
    failed_ = true;
    return false;
  }

  /// `content` as the value of a copy of `like`, at the same place.
  template <class Content>
  static Json refilled(const Json& like, Json empty, Content content) {
    empty.value_ = std::move(content);
    empty.file_ = like.file_;
    empty.offset_ = like.offset_;
    empty.length_ = like.length_;
    return empty;
  }
  static void move_to(Json& value, const Json& at) {
    value.file_ = at.file_;
    value.offset_ = at.offset_;
    value.length_ = at.length_;
    if (auto* items = std::get_if<std::vector<Json>>(&value.value_)) {
      for (auto& item : *items) move_to(item, at);
    } else if (auto* members = std::get_if<std::vector<Json::Member>>(&value.value_)) {
      for (auto& member : *members) move_to(member.value, at);
    }
  }

  bool failed() const { return failed_; }
  Json take() { return std::move(root_); }

 private:
  struct Frame {
    bool object = false;
    std::size_t first = 0;   ///< of its contents, in `members_` or `items_`
    std::size_t offset = 0;  ///< of its bracket
    std::string key;         ///< the last one, of an object
    std::size_t key_offset = 0;
    std::size_t key_length = 0;
    bool skip = false;  ///< the last key was there before
    /// Where each key stands, for objects with many: a search among the members for each key would take quadratic time.
    std::unique_ptr<std::unordered_map<std::string, std::size_t>> places;
  };

  /// The member of `frame` that has its last key already.
  const Json::Member* defined(Frame& frame) const {
    constexpr std::size_t few = 16;
    const auto begin = members_.begin() + static_cast<std::ptrdiff_t>(frame.first);
    if (members_.size() - frame.first <= few) {
      const auto at = std::find_if(begin, members_.end(), [&](const auto& one) { return one.key == frame.key; });
      return at == members_.end() ? nullptr : &*at;
    }
    if (!frame.places) frame.places = std::make_unique<std::unordered_map<std::string, std::size_t>>();
    for (auto i = frame.first + frame.places->size(); i < members_.size(); ++i)
      frame.places->emplace(members_[i].key, i);
    const auto at = frame.places->find(frame.key);
    return at == frame.places->end() ? nullptr : &members_[at->second];
  }

  Span span(std::size_t begin, std::size_t length) const { return {*file_, begin, length}; }

  std::size_t next_token() const { return std::min(text_.find_first_not_of(" \t\r\n,:", end_), text_.size()); }

  std::size_t number_length() const {
    const auto begin = next_token();
    const auto end = std::min(text_.find_first_not_of("+-0123456789.eE", begin), text_.size());
    return end - begin;
  }

  std::size_t string_length(std::size_t begin) const {
    auto at = begin + 1;
    while (at < text_.size() && text_[at] != '"') at += text_[at] == '\\' ? 2 : 1;
    return std::min(at + 1, text_.size()) - begin;
  }

  std::string pointer() const {
    std::string out;
    for (std::size_t i = 0; i < stack_.size(); ++i) {
      const auto inner = std::find_if(stack_.begin() + static_cast<std::ptrdiff_t>(i) + 1, stack_.end(),
                                      [](const Frame& frame) { return !frame.object; });
      const auto end = inner == stack_.end() ? items_.size() : inner->first;
      out += "/" + (stack_[i].object ? pointer_token(stack_[i].key) : std::to_string(end - stack_[i].first));
    }
    return out;
  }

  bool counted() {
    if (++values_ <= limits_.values) return true;
    diagnostics_.error("SWY-1005", fmt::format("the document has more than {} values", limits_.values),
                       {span(end_, 1), ""});
    failed_ = true;
    return false;
  }

  bool place_overflow(double value) {
    auto json = Json::real(value);
    json.overflowed_ = 1;
    return place(std::move(json), number_length());
  }

  bool place(Json&& value, std::size_t length) {
    const auto begin = next_token();
    mark(value, begin, length);
    end_ = begin + length;
    if (!counted()) return false;
    attach(std::move(value));
    return true;
  }

  void mark(Json& value, std::size_t begin, std::size_t length) const {
    value.file_ = file_;
    value.offset_ = static_cast<std::uint32_t>(begin);
    value.length_ = static_cast<std::uint32_t>(length) & 0x7fffffffU;
  }

  void attach(Json&& value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return;
    }
    auto& frame = stack_.back();
    if (!frame.object) {
      items_.push_back(std::move(value));
    } else if (!frame.skip) {
      members_.push_back({std::move(frame.key), static_cast<std::uint32_t>(frame.key_offset),
                          static_cast<std::uint32_t>(frame.key_length), std::move(value)});
    }
  }

  bool open(bool object, std::size_t first) {
    const auto begin = next_token();
    end_ = begin + 1;
    if (!counted()) return false;
    if (stack_.size() == limits_.depth) {
      diagnostics_.error("SWY-1005", fmt::format("nesting is deeper than {} levels", limits_.depth),
                         {span(begin, 1), ""});
      failed_ = true;
      return false;
    }
    auto& frame = stack_.emplace_back();
    frame.object = object;
    frame.first = first;
    frame.offset = begin;
    return true;
  }

  /// The values from `first` on, in a vector of exactly their number.
  template <class T>
  static std::vector<T> cut(std::vector<T>& stack, std::size_t first) {
    const auto begin = stack.begin() + static_cast<std::ptrdiff_t>(first);
    std::vector<T> out(std::make_move_iterator(begin), std::make_move_iterator(stack.end()));
    stack.erase(begin, stack.end());
    return out;
  }

  bool close() {
    const auto at = next_token();
    end_ = std::min(at + 1, text_.size());
    const auto& frame = stack_.back();
    const auto offset = frame.offset;
    Json value;
    if (frame.object) {
      value.value_ = cut(members_, frame.first);
    } else {
      value.value_ = cut(items_, frame.first);
    }
    mark(value, offset, end_ - offset);
    stack_.pop_back();
    attach(std::move(value));
    return true;
  }

  std::string_view text_;
  const std::string* file_;
  Diagnostics& diagnostics_;
  const JsonLimits& limits_;
  std::vector<Frame> stack_;
  std::vector<Json::Member> members_;
  std::vector<Json> items_;
  Json root_;
  std::size_t end_ = 0;
  std::size_t values_ = 0;
  bool failed_ = false;
};

std::optional<Json> parse_json(std::string_view text, const std::string& file, Diagnostics& diagnostics,
                               const JsonLimits& limits) {
  constexpr std::size_t most_bytes = 0x7fffffff;  // a place has 31 bits
  if (const auto most = std::min(limits.bytes, most_bytes); text.size() > most) {
    diagnostics.error("SWY-1005", fmt::format("the document has {} bytes, more than {}", text.size(), most),
                      {{file, 0, 0}, ""});
    return std::nullopt;
  }
  if (text.substr(0, 3) == "\xEF\xBB\xBF") {
    diagnostics.error("SWY-1001", "not valid JSON: the text starts with a byte order mark", {{file, 0, 3}, ""}).help =
        "save the file as UTF-8 without a byte order mark";
    return std::nullopt;
  }
  // nlohmann takes a NUL byte for the end of the text and would ignore whatever follows it.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    diagnostics.error("SWY-1004", "the text contains a NUL byte", {{file, nul, 1}, ""});
    return std::nullopt;
  }
  JsonBuilder builder(text, file, diagnostics, limits);
  const bool parsed = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  if (!parsed || builder.failed()) return std::nullopt;
  return builder.take();
}

Json with_members(const Json& object, std::vector<Json::Member> members) {
  return JsonBuilder::refilled(object, Json::object(), std::move(members));
}
Json with_items(const Json& array, std::vector<Json> items) {
  return JsonBuilder::refilled(array, Json::array(), std::move(items));
}
Json placed(Json value, const Json& at) {
  JsonBuilder::move_to(value, at);
  return value;
}

}  // namespace switchyard
