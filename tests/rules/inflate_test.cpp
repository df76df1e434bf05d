#include "rules/inflate.h"

#include <doctest/doctest.h>

using namespace switchyard;

namespace {

std::string bytes_of(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

const char* const classes = R"(class M(Module):
  __parameters__ = ["weight", "bias", ]
  __buffers__ = ["mean", ]
class Linear(Module):
  __parameters__ = ["weight", ]
  __buffers__ = []
)";
// zlib at level 9.
const char* const classes_deflated =
    "4bce492c2e56f0d5f0cd4f29cd49d5b4e25250888f2f482c4acc4d2d492d2a8e8f57b05588562a4fcd4ccf2851d251504aca4c2c06d2b16075"
    "49a569690845b9a9897960a964b0993e9979a98945c41a8cc5c0582e00";

}  // namespace

TEST_CASE("inflate: what zlib deflated, what it stored, and what it coded with the fixed code") {
  CHECK(inflate(bytes_of(classes_deflated), 157) == classes);
  CHECK(inflate(bytes_of("010300fcff616263"), 3) == "abc");
  CHECK(inflate(bytes_of("4b4c4a0600"), 3) == "abc");
  CHECK(inflate(bytes_of("0300"), 0) == "");
  // One literal and a copy that overlaps what it writes: 1000 times "a".
  CHECK(inflate(bytes_of("4b4c1c05a360140c770000"), 1000) == std::string(1000, 'a'));
}

TEST_CASE("inflate: another size than the true one is refused, also one far too small") {
  const auto bomb = bytes_of("4b4c1c05a360140c770000");
  for (const std::size_t size : {0, 1, 999, 1001, 1 << 30}) CHECK_FALSE(inflate(bomb, size));
}

TEST_CASE("inflate: cut short or with a changed bit, it gives the text, another text of that size, or nothing") {
  const auto good = bytes_of(classes_deflated);
  for (std::size_t length = 0; length < good.size(); ++length) CHECK_FALSE(inflate(good.substr(0, length), 157));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
    const auto out = inflate(bad, 157);
    if (out) CHECK(out->size() == 157);
  }
  CHECK_FALSE(inflate(good + "x", 157));
}

TEST_CASE("crc32: the check value of the standard") {
  CHECK(crc32("123456789") == 0xcbf43926U);
  CHECK(crc32("") == 0);
}
