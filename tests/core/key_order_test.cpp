#include "core/key_order.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

using namespace switchyard;

namespace {

std::vector<std::size_t> stable_order(const std::vector<std::string_view>& keys) {
  std::vector<std::size_t> out(keys.size());
  std::iota(out.begin(), out.end(), std::size_t{0});
  std::stable_sort(out.begin(), out.end(), [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
  return out;
}

}  // namespace

TEST_CASE("keys are ordered bytewise, whatever they have in common") {
  const std::vector<std::vector<std::string>> lists = {
      {},
      {""},
      {"a", ""},
      {"layers.10", "layers.9", "layers.1", "layers.", "layers"},
      {std::string("a\0b", 3), std::string("a\0", 2), "a", std::string("a\0\0", 3)},
      {"\xff", "\x7f", "a"},
      {"model.layers.0.weight", "model.layers.0.bias", "model.layers.0.weight", "model.layers.0.weigh"},
  };
  for (const auto& list : lists) {
    const std::vector<std::string_view> keys(list.begin(), list.end());
    CHECK(key_order(keys) == stable_order(keys));
  }
}

TEST_CASE("random keys with common beginnings") {
  std::mt19937 random(7);
  MESSAGE("seed 7");
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<std::string> list(random() % 40);
    for (auto& key : list) {
      key = std::string(trial % 12, 'x');
      for (auto n = random() % 14; n > 0; --n) key += "ab\0\xff"[random() % 4];
    }
    const std::vector<std::string_view> keys(list.begin(), list.end());
    CHECK(key_order(keys) == stable_order(keys));
  }
}
