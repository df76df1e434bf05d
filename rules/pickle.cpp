#include "rules/pickle.h"

#include <fmt/format.h>

#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "core/utf8.h"

namespace switchyard {

namespace {

using Kind = PickleValue::Kind;

/// Why the pickle is refused; caught by `read_pickle`.
class Refusal : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr std::uint32_t mark = 0xffffffffU;
constexpr std::size_t longest_global = 4096;

class StackMachine {
 public:
  StackMachine(std::string_view text, std::size_t most_values) : text_(text), most_values_(most_values) {}

  Pickle run() {
    while (!done_) {
      opcode_at_ = at_;
      step(static_cast<unsigned char>(take(1)[0]));
    }
    out_.root = pop();
    return std::move(out_);
  }
  std::size_t opcode_at() const { return opcode_at_; }

 private:
  std::string_view take(std::uint64_t length) {
    if (length > text_.size() - at_) throw Refusal("it ends too early");
    const auto out = text_.substr(at_, static_cast<std::size_t>(length));
    at_ += static_cast<std::size_t>(length);
    return out;
  }
  std::uint64_t number(int bytes) {
    const auto raw = take(static_cast<std::uint64_t>(bytes));
    std::uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i)
      value = value << 8 | static_cast<unsigned char>(raw[static_cast<std::size_t>(i)]);
    return value;
  }
  std::string line() {
    const auto end = text_.find('\n', at_);
    if (end == std::string_view::npos) throw Refusal("it ends too early");
    const auto out = take(end - at_);
    take(1);
    if (!is_utf8(out) || out.find('\0') != std::string_view::npos) throw Refusal("a name is not text");
    return std::string(out);
  }

  std::uint32_t make(Kind kind) {
    if (out_.values.size() >= most_values_) throw Refusal(fmt::format("more than {} values", out_.values.size()));
    out_.values.emplace_back().kind = kind;
    return static_cast<std::uint32_t>(out_.values.size() - 1);
  }
  PickleValue& push(Kind kind) {
    stack_.push_back(make(kind));
    return out_.values.back();
  }
  void push_integer(std::int64_t value) { push(Kind::integer).number = value; }
  void push_text(std::string_view text) {
    // Protocol 2 writes bytes as texts, and the state of a generator of random numbers is bytes.
    if (!is_utf8(text) || text.find('\0') != std::string_view::npos) {
      push(Kind::other);
    } else {
      push(Kind::text).text = std::string(text);
    }
  }
  void push_long(std::string_view raw) {
    if (raw.size() > 8) {
      push(Kind::other);
      return;
    }
    std::uint64_t value = raw.empty() || static_cast<unsigned char>(raw.back()) < 0x80 ? 0 : ~std::uint64_t{0};
    for (std::size_t i = raw.size(); i > 0; --i) value = value << 8 | static_cast<unsigned char>(raw[i - 1]);
    push_integer(static_cast<std::int64_t>(value));
  }

  std::uint32_t pop() {
    if (stack_.empty() || stack_.back() == mark) throw Refusal("it takes more values than it made");
    const auto out = stack_.back();
    stack_.pop_back();
    return out;
  }
  PickleValue& top() {
    if (stack_.empty() || stack_.back() == mark) throw Refusal("it takes more values than it made");
    return out_.values[stack_.back()];
  }
  std::vector<std::uint32_t> pop_to_mark() {
    std::size_t begin = stack_.size();
    while (begin > 0 && stack_[begin - 1] != mark) --begin;
    if (begin == 0) throw Refusal("it has no mark where one is needed");
    std::vector<std::uint32_t> out(stack_.begin() + static_cast<std::ptrdiff_t>(begin), stack_.end());
    stack_.resize(begin - 1);
    return out;
  }
  std::vector<std::uint32_t> pop_some(std::size_t count) {
    std::vector<std::uint32_t> out(count);
    for (std::size_t i = count; i > 0; --i) out[i - 1] = pop();
    return out;
  }
  void push_global(std::string name) {
    if (name.size() > longest_global) throw Refusal("the name of a class is too long");
    // Two kept texts, joined over and over, would fill the memory.
    global_bytes_ += static_cast<std::int64_t>(name.size());
    if (global_bytes_ > Pickle::most_bytes) throw Refusal("the names of its classes are too long together");
    push(Kind::global).text = std::move(name);
  }
  void push_tuple(std::vector<std::uint32_t> items) { push(Kind::tuple).items = std::move(items); }
  void append(const std::vector<std::uint32_t>& items, bool pairs) {
    if (pairs && items.size() % 2 != 0) throw Refusal("a key has no value");
    auto& to = top();
    // A list in a class of its own, a set: it says nothing about a model.
    if (to.kind == (pairs ? Kind::dict : Kind::list)) to.items.insert(to.items.end(), items.begin(), items.end());
  }
  void push_object(std::uint32_t callable, std::uint32_t arguments) {
    const auto& made_by = out_.values[callable];
    const bool ordered = made_by.kind == Kind::global && made_by.text == "collections.OrderedDict";
    const bool empty = out_.values[arguments].items.empty();
    if (ordered && empty) {
      push(Kind::dict);
    } else {
      push(Kind::object).items = {callable, arguments};
    }
  }
  void build() {
    const auto state = pop();
    auto& object = top();
    if (object.kind == Kind::object && object.items.size() == 2) object.items.push_back(state);
  }

  void put(std::uint64_t key) {
    top();
    if (memo_.size() >= most_values_ && memo_.count(key) == 0)
      throw Refusal(fmt::format("it keeps more than {} values", most_values_));
    memo_[key] = stack_.back();
  }
  void get(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) throw Refusal(fmt::format("it asks for value {}, which it has not kept", key));
    stack_.push_back(found->second);
  }

  void step(unsigned char opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        if (const auto version = number(1); version < 2 || version > 5)
          throw Refusal(fmt::format("it has protocol {}; 2 to 5 are read", version));
        return;
      case 0x95:  // FRAME
        number(8);
        return;
      case '.':
        done_ = true;
        return;
      case '(':
        stack_.push_back(mark);
        return;
      case '0':
        pop();
        return;
      case '1':
        pop_to_mark();
        return;
      case '2':
        top();
        stack_.push_back(stack_.back());
        return;
      default:
        if (!scalar(opcode) && !container(opcode) && !reference(opcode))
          throw Refusal(fmt::format("it has the opcode 0x{:02x}, which torch does not write", opcode));
    }
  }

  bool scalar(unsigned char opcode) {
    switch (opcode) {
      case 'N':
        push(Kind::none);
        return true;
      case 0x88:
      case 0x89:
        push(Kind::boolean).number = opcode == 0x88 ? 1 : 0;
        return true;
      case 'K':
        push_integer(static_cast<std::int64_t>(number(1)));
        return true;
      case 'M':
        push_integer(static_cast<std::int64_t>(number(2)));
        return true;
      case 'J':
        push_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(number(4))));
        return true;
      case 0x8a:
        push_long(take(number(1)));
        return true;
      case 0x8b:
        push_long(take(number(4)));
        return true;
      case 'G':
        take(8);
        push(Kind::other);
        return true;
      case 'X':
        push_text(take(number(4)));
        return true;
      case 0x8c:
        push_text(take(number(1)));
        return true;
      case 0x8d:
        push_text(take(number(8)));
        return true;
      case 'T':  // Python 2's texts: bytes
        push_text(take(number(4)));
        return true;
      case 'U':
        push_text(take(number(1)));
        return true;
      case 'B':
        take(number(4));
        push(Kind::other);
        return true;
      case 'C':
        take(number(1));
        push(Kind::other);
        return true;
      case 0x8e:
      case 0x96:
        take(number(8));
        push(Kind::other);
        return true;
      default:
        return false;
    }
  }

  bool container(unsigned char opcode) {
    switch (opcode) {
      case ')':
        push(Kind::tuple);
        return true;
      case ']':
        push(Kind::list);
        return true;
      case '}':
        push(Kind::dict);
        return true;
      case 0x8f:  // EMPTY_SET
        push(Kind::other);
        return true;
      case 't':
        push_tuple(pop_to_mark());
        return true;
      case 0x85:
      case 0x86:
      case 0x87:
        push_tuple(pop_some(opcode - 0x84U));
        return true;
      case 'a':
        append(pop_some(1), false);
        return true;
      case 'e':
        append(pop_to_mark(), false);
        return true;
      case 's':
        append(pop_some(2), true);
        return true;
      case 'u':
        append(pop_to_mark(), true);
        return true;
      case 0x90:  // ADDITEMS
        pop_to_mark();
        top();
        return true;
      case 0x91:  // FROZENSET
        pop_to_mark();
        push(Kind::other);
        return true;
      default:
        return false;
    }
  }

  bool reference(unsigned char opcode) {
    switch (opcode) {
      case 'c': {
        auto name = line();
        name += "." + line();
        push_global(std::move(name));
        return true;
      }
      case 0x93: {
        const auto parts = pop_some(2);
        for (const auto part : parts) {
          if (out_.values[part].kind != Kind::text) throw Refusal("the name of a class is not text");
        }
        push_global(out_.text(parts[0]) + "." + out_.text(parts[1]));
        return true;
      }
      case 'q':
        put(number(1));
        return true;
      case 'r':
        put(number(4));
        return true;
      case 0x94:
        put(memo_.size());
        return true;
      case 'h':
        get(number(1));
        return true;
      case 'j':
        get(number(4));
        return true;
      case 'R':
      case 0x81: {
        const auto parts = pop_some(2);
        push_object(parts[0], parts[1]);
        return true;
      }
      case 0x92: {
        const auto parts = pop_some(3);
        push_object(parts[0], parts[1]);
        return true;
      }
      case 'b':
        build();
        return true;
      case 'Q': {
        const auto id = pop();
        push(Kind::persistent).items = {id};
        return true;
      }
      default:
        return false;
    }
  }

  std::string_view text_;
  std::size_t most_values_;
  std::int64_t global_bytes_ = 0;
  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  bool done_ = false;
  Pickle out_;
  std::vector<std::uint32_t> stack_;
  std::unordered_map<std::uint64_t, std::uint32_t> memo_;
};

}  // namespace

const std::string& Pickle::text(std::uint32_t index) const {
  static const std::string none;
  return values[index].kind == Kind::text ? values[index].text : none;
}

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
  const PickleValue* found = nullptr;
  for (std::size_t i = 0; dict.kind == Kind::dict && i + 1 < dict.items.size(); i += 2) {
    const auto& name = values[dict.items[i]];
    if (name.kind == Kind::text && name.text == key) found = &values[dict.items[i + 1]];
  }
  return found;
}

std::optional<Pickle> read_pickle(std::string_view text, const std::string& file, Diagnostics& diagnostics,
                                  std::size_t most_values) {
  const auto refuse = [&](const std::string& why) {
    diagnostics.error("SWY-3022", "the pickle of the archive cannot be read: " + why, {{file, 0, 0}, ""});
    return std::nullopt;
  };
  if (static_cast<std::int64_t>(text.size()) > Pickle::most_bytes)
    return refuse(fmt::format("it has {} bytes; at most {} are read", text.size(), Pickle::most_bytes));
  StackMachine machine(text, most_values);
  try {
    return machine.run();
  } catch (const Refusal& refusal) {
    return refuse(fmt::format("{} (byte {})", refusal.what(), machine.opcode_at()));
  }
}

}  // namespace switchyard
