#include "rules/inflate.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace switchyard {

namespace {

constexpr int most_bits = 15;

/// Bits from the low end of each byte on. Past the end it gives zeros and remembers that.
class Bits {
 public:
  explicit Bits(std::string_view text) : text_(text) {}

  int take(int count) {
    while (held_ < count) {
      if (at_ < text_.size()) {
        buffer_ |= static_cast<std::uint32_t>(static_cast<unsigned char>(text_[at_])) << held_;
      } else {
        ended_ = true;
      }
      ++at_;
      held_ += 8;
    }
    const auto value = static_cast<int>(buffer_ & ((1U << count) - 1));
    buffer_ >>= count;
    held_ -= count;
    return value;
  }
  void align() {
    buffer_ = 0;
    held_ = 0;
  }
  bool ended() const { return ended_; }
  bool at_end() const { return at_ == text_.size(); }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t buffer_ = 0;
  int held_ = 0;
  bool ended_ = false;
};

/// A canonical Huffman code: how many codes of each length, and the symbols in the order of their codes.
struct Huffman {
  std::array<int, most_bits + 1> counts{};
  std::vector<int> symbols;

  /// False if the lengths ask for more codes than there are. Fewer are legal only for a code of one symbol.
  bool build(const int* lengths, int n) {
    counts.fill(0);
    for (int i = 0; i < n; ++i) ++counts[static_cast<std::size_t>(lengths[i])];
    int left = 1;
    for (int length = 1; length <= most_bits; ++length) {
      left = left * 2 - counts[static_cast<std::size_t>(length)];
      if (left < 0) return false;
    }
    std::array<int, most_bits + 2> starts{};
    for (std::size_t length = 1; length <= most_bits; ++length) starts[length + 1] = starts[length] + counts[length];
    symbols.assign(static_cast<std::size_t>(n), 0);
    for (int i = 0; i < n; ++i) {
      if (lengths[i] != 0) symbols[static_cast<std::size_t>(starts[static_cast<std::size_t>(lengths[i])]++)] = i;
    }
    const int used = n - counts[0];
    return left == 0 || used <= 1;
  }

  /// The next symbol; -1 if no code fits.
  int decode(Bits& bits) const {
    int code = 0;
    int first = 0;
    int index = 0;
    for (std::size_t length = 1; length <= most_bits; ++length) {
      code |= bits.take(1);
      const int count = counts[length];
      if (code - first < count) return symbols[static_cast<std::size_t>(index + code - first)];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    return -1;
  }
};

constexpr int length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                               31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr int length_extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr int distance_base[] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                 33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
constexpr int distance_extra[] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                  6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

/// Literals and copies until the end of the block.
bool read_symbols(Bits& bits, const Huffman& lengths, const Huffman& distances, std::size_t size, std::string& out) {
  for (;;) {
    const int symbol = lengths.decode(bits);
    if (symbol < 0 || bits.ended()) return false;
    if (symbol == 256) return true;
    if (symbol < 256) {
      if (out.size() == size) return false;
      out += static_cast<char>(symbol);
      continue;
    }
    const auto which = static_cast<std::size_t>(symbol - 257);
    if (which >= std::size(length_base)) return false;
    const auto length = static_cast<std::size_t>(length_base[which] + bits.take(length_extra[which]));
    const int code = distances.decode(bits);
    if (code < 0 || static_cast<std::size_t>(code) >= std::size(distance_base)) return false;
    const auto distance = static_cast<std::size_t>(distance_base[code] + bits.take(distance_extra[code]));
    if (bits.ended() || distance > out.size() || length > size - out.size()) return false;
    for (std::size_t i = 0; i < length; ++i) out += out[out.size() - distance];  // may overlap what it writes
  }
}

bool stored_block(Bits& bits, std::size_t size, std::string& out) {
  bits.align();
  const int length = bits.take(16);
  const int complement = bits.take(16);
  if (bits.ended() || length != (~complement & 0xffff) || static_cast<std::size_t>(length) > size - out.size())
    return false;
  for (int i = 0; i < length; ++i) out += static_cast<char>(bits.take(8));
  return !bits.ended();
}

/// The codes of fixed blocks: one for literals and lengths, one for distances.
std::pair<Huffman, Huffman> fixed_codes() {
  std::array<int, 288> lengths{};
  for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
  std::array<int, 30> distances{};
  distances.fill(5);
  Huffman literal, distance;
  literal.build(lengths.data(), static_cast<int>(lengths.size()));
  distance.build(distances.data(), static_cast<int>(distances.size()));  // two codes of 5 bits stay unused
  return {std::move(literal), std::move(distance)};
}

bool fixed_block(Bits& bits, std::size_t size, std::string& out) {
  // Blocks can be empty: to build the codes for each would cost thousands of steps for 10 bits of input.
  static const auto codes = fixed_codes();
  return read_symbols(bits, codes.first, codes.second, size, out);
}

bool dynamic_block(Bits& bits, std::size_t size, std::string& out) {
  constexpr std::size_t order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  const int literals = bits.take(5) + 257;
  const int distances = bits.take(5) + 1;
  const int codes = bits.take(4) + 4;
  if (literals > 286 || distances > 30) return false;
  std::array<int, 320> lengths{};
  for (int i = 0; i < codes; ++i) lengths[order[i]] = bits.take(3);
  Huffman of_lengths;
  if (!of_lengths.build(lengths.data(), 19)) return false;
  lengths.fill(0);
  int at = 0;
  while (at < literals + distances) {
    const int symbol = of_lengths.decode(bits);
    if (symbol < 0 || bits.ended()) return false;
    if (symbol < 16) {
      lengths[static_cast<std::size_t>(at++)] = symbol;
      continue;
    }
    if (symbol == 16 && at == 0) return false;
    const int value = symbol == 16 ? lengths[static_cast<std::size_t>(at - 1)] : 0;
    const int repeat = symbol == 16 ? 3 + bits.take(2) : symbol == 17 ? 3 + bits.take(3) : 11 + bits.take(7);
    if (at + repeat > literals + distances) return false;
    for (int i = 0; i < repeat; ++i) lengths[static_cast<std::size_t>(at++)] = value;
  }
  if (lengths[256] == 0) return false;  // a block without an end
  Huffman literal, distance;
  if (!literal.build(lengths.data(), literals) || !distance.build(lengths.data() + literals, distances)) return false;
  return read_symbols(bits, literal, distance, size, out);
}

}  // namespace

std::optional<std::string> inflate(std::string_view deflated, std::size_t size) {
  Bits bits(deflated);
  std::string out;
  for (bool last = false; !last;) {
    last = bits.take(1) == 1;
    const int kind = bits.take(2);
    const bool good = kind == 0   ? stored_block(bits, size, out)
                      : kind == 1 ? fixed_block(bits, size, out)
                      : kind == 2 ? dynamic_block(bits, size, out)
                                  : false;
    if (!good || bits.ended()) return std::nullopt;
  }
  if (out.size() != size || !bits.at_end()) return std::nullopt;
  return out;
}

std::uint32_t crc32(std::string_view text) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> out{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      auto value = i;
      for (int bit = 0; bit < 8; ++bit) value = value & 1 ? 0xedb88320U ^ value >> 1 : value >> 1;
      out[i] = value;
    }
    return out;
  }();
  std::uint32_t crc = 0xffffffffU;
  for (const auto c : text) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xffU] ^ crc >> 8;
  return ~crc;
}

}  // namespace switchyard
