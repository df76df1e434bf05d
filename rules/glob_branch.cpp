#include "rules/pattern.h"

namespace switchyard {

namespace {

/// Kinds of bytes that loops tell apart: '.', UTF-8 continuation bytes, all others.
constexpr std::size_t kinds = 3;
std::size_t kind_of(unsigned char byte) {
  if (byte == '.') return 1;
  return (byte & 0xC0) == 0x80 ? 2 : 0;
}
bool loops_on(GlobBranch::Loop loop, std::size_t kind) {
  switch (loop) {
    case GlobBranch::Loop::none:
      return false;
    case GlobBranch::Loop::continuation:
      return kind == 2;
    case GlobBranch::Loop::segment:
      return kind != 1;
    case GlobBranch::Loop::any:
      return true;
  }
  return false;
}

bool starts_with(std::string_view name, std::string_view head) { return name.substr(0, head.size()) == head; }
bool ends_with(std::string_view name, std::string_view tail) {
  return name.size() >= tail.size() && name.substr(name.size() - tail.size()) == tail;
}

/// The highest byte of a set that is not empty.
unsigned highest(const std::bitset<256>& bytes) {
  unsigned byte = 0;
  for (unsigned step = 128; step > 0; step /= 2) {
    if ((bytes >> (byte + step)).any()) byte += step;
  }
  return byte;
}

/// Bytes that no item tells apart share a class. A pattern has a dozen of them: looking at each of 256 bytes for itself
/// took longer than all else that is done to a pattern.
std::vector<std::bitset<256>> classes_of(const std::vector<GlobBranch::Item>& items) {
  std::vector<std::bitset<256>> out(1);
  out.front().set();
  for (const auto& item : items) {
    for (std::size_t k = 0, count = out.size(); k < count; ++k) {
      const auto inside = out[k] & item.bytes;
      if (inside.none() || inside == out[k]) continue;
      out[k] ^= inside;
      out.push_back(inside);
    }
  }
  return out;
}

}  // namespace

GlobBranch::GlobBranch(std::vector<Item> items, Loop tail) : accept_(items.size()) {
  // Stretches of single bytes without loops inside are what every match contains.
  std::string stretch;
  const auto flush = [&] {
    if (!stretch.empty()) required_.push_back(stretch);
    stretch.clear();
  };
  bool only_text = tail == Loop::none;
  bool from_start = true;
  for (const auto& item : items) {
    const bool single = item.bytes.count() == 1;
    if (item.loop != Loop::none || !single) {
      if (from_start) prefix_ = stretch;
      from_start = only_text = false;
      flush();
    }
    if (!single) continue;
    stretch += static_cast<char>(highest(item.bytes));
  }
  if (from_start) prefix_ = stretch;
  if (tail == Loop::none) suffix_ = stretch;
  flush();
  literal_ = only_text;
  if (literal_) {
    text_ = prefix_;
    return;
  }

  words_ = accept_ / 64 + 1;
  const auto classes = classes_of(items);
  take_.resize(classes.size() * words_);
  for (std::size_t k = 0; k < classes.size(); ++k) {
    const auto byte = highest(classes[k]);
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i].bytes.test(byte)) take_[k * words_ + i / 64] |= std::uint64_t{1} << (i % 64);
    }
    for (std::size_t member = 0; member <= byte; ++member) {
      if (classes[k].test(member)) class_of_[member] = static_cast<std::uint8_t>(k);
    }
  }
  stay_.resize(kinds * words_);
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    for (std::size_t i = 0; i <= items.size(); ++i) {
      const auto loop = i < items.size() ? items[i].loop : tail;
      if (loops_on(loop, kind)) stay_[kind * words_ + i / 64] |= std::uint64_t{1} << (i % 64);
    }
  }
}

bool GlobBranch::matches(std::string_view name) const {
  if (literal_) return name == text_;
  if (name.size() < accept_ || !starts_with(name, prefix_) || !ends_with(name, suffix_)) return false;
  if (words_ == 1) {
    std::uint64_t state = 1;
    for (const char c : name) {
      const auto byte = static_cast<unsigned char>(c);
      state = ((state & take_[class_of_[byte]]) << 1) | (state & stay_[kind_of(byte)]);
      if (state == 0) return false;
    }
    return ((state >> accept_) & 1) != 0;
  }
  std::vector<std::uint64_t> state(words_);
  state[0] = 1;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const auto* take = &take_[class_of_[byte] * words_];
    const auto* stay = &stay_[kind_of(byte) * words_];
    std::uint64_t carry = 0;
    std::uint64_t alive = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      const auto taken = state[w] & take[w];
      state[w] = (taken << 1) | carry | (state[w] & stay[w]);
      carry = taken >> 63;
      alive |= state[w];
    }
    if (alive == 0) return false;
  }
  return ((state[accept_ / 64] >> (accept_ % 64)) & 1) != 0;
}

}  // namespace switchyard
