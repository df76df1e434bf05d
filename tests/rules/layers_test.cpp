#include "rules/layers.h"

#include <doctest/doctest.h>

#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

LayerStack stack(const std::string& glob, std::int64_t count) {
  LayerStack out;
  PatternError error;
  REQUIRE_MESSAGE(out.compile(glob, error), error.message);
  out.count = count;
  return out;
}

}  // namespace

TEST_CASE("layers: {i:int} takes a whole run of digits, the first that fits") {
  const auto plain = stack("h.{i:int}.**", 12);
  CHECK(plain.block("h.3.attn.weight") == 3);
  CHECK(plain.block("h.11.attn.7.weight") == 11);
  CHECK(plain.block("h.007.w") == 7);
  CHECK_FALSE(plain.block("x.h.3.attn"));
  CHECK_FALSE(plain.block("h.3"));
  CHECK_FALSE(plain.block("h.x.3.w"));
  CHECK_FALSE(plain.block("h.3a.w"));
  CHECK_FALSE(plain.block("h.99999999999999999999.w"));
  CHECK(stack("**.block{i:int}.conv*.w", 4).block("net.1.block12.conv2.w") == 12);
  CHECK(stack("{i:int}", 4).block("8") == 8);
  CHECK(stack("**.{i:int}.*", 4).block("a.1.b.2.w") == 2);
}

TEST_CASE("layers: before is 0 and moves the blocks up, after is behind the last") {
  auto one = stack("h.{i:int}.**", 3);
  CHECK(one.of("h.0.w").number == 0);
  CHECK(one.of("h.0.w").first);
  CHECK(one.of("h.2.w").number == 2);
  CHECK(one.of("h.2.w").last);
  CHECK_FALSE(one.of("h.1.w").last);
  PatternError error;
  one.after = {Pattern::compile("norm.*", error)};
  CHECK(one.of("norm.w").number == 3);
  one.before = {Pattern::compile("stem.*", error)};
  CHECK(one.of("stem.w").number == 0);
  CHECK_FALSE(one.of("stem.w").first);
  CHECK(one.of("h.0.w").number == 1);
  CHECK(one.of("h.0.w").first);
  CHECK(one.of("h.2.w").number == 3);
  CHECK(one.of("norm.w").number == 4);
  CHECK_FALSE(one.of("other.w").number);
}

TEST_CASE("layers: of several names the smallest counts, of several stacks the first that has one") {
  Layers layers;
  layers.stacks = {stack("a.{i:int}.w", 5), stack("b.{i:int}.w", 5)};
  auto info = test::parameter("b.1.w", {2});
  CHECK(layers.of(info).number == 1);
  info.names = {"a.4.w", "b.1.w", "a.2.w"};
  CHECK(layers.of(info).number == 2);
  info.names = {"a.2.w", "a.4.w", "b.1.w"};
  CHECK(layers.of(info).number == 2);
}
