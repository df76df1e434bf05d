#include "rules/near_name.h"

#include <doctest/doctest.h>

#include <random>

using namespace switchyard;

namespace {

std::shared_ptr<const Pattern> pattern(const std::string& text) {
  PatternError error;
  auto out = Pattern::compile(text, error);
  REQUIRE_MESSAGE(out, error.message);
  return out;
}

/// "segment got wanted corrected", or "" for no miss.
std::string miss(const std::string& glob, const std::string& name) {
  const auto found = SegmentGlob(*pattern(glob)).miss(name);
  if (!found) return "";
  return std::to_string(found->segment) + " " + found->got + " " + found->wanted + " " + found->corrected;
}

}  // namespace

TEST_CASE("near name: one segment that differs is named, with the pattern that would match") {
  CHECK(miss("model.attention.q.weight", "model.self_attn.q.weight") ==
        "2 self_attn attention model.self_attn.q.weight");
  CHECK(miss("model.*.attention.*.weight", "model.0.attn.q.weight") == "3 attn attention model.*.attn.*.weight");
  CHECK(miss("layers.**.weight", "blocks.0.mlp.fc.weight") == "1 blocks layers blocks.**.weight");
  CHECK(miss("**.attn.{q,k}.weight", "a.b.attn.v.weight") == "4 v {q,k} **.attn.v.weight");
  CHECK(miss("h.[0-4].mlp.w", "h.7.mlp.w") == "2 7 [0-4] h.7.mlp.w");
  CHECK(miss("a.b.c", "a.b*.c") == "2 b* b a.b\\*.c");
  CHECK(miss("{x.y,z}.attn.w", "x.y.mlp.w") == "3 mlp attn {x.y,z}.mlp.w");
}

TEST_CASE("near name: what matches, differs twice or shares nothing is not near") {
  CHECK(miss("model.*.weight", "model.a.weight").empty());
  CHECK(miss("model.a.weight", "model.b.bias").empty());
  CHECK(miss("model.a.weight", "model.a.b.weight").empty());
  CHECK(miss("model.a.weight", "model.a").empty());
  CHECK(miss("**.weight", "a.b.bias").empty());
  CHECK(miss("*.w", "a.b").empty());
  CHECK(miss("re:model\\.a\\.weight", "model.b.weight").empty());
}

TEST_CASE("near name: the corrected pattern matches, and the first way to lay ** over a name is not the only one") {
  CHECK(miss("a.**.x.c", "a.x.x.y.c") == "4 y x a.**.y.c");
  const unsigned seed = doctest::getContextOptions()->rand_seed;
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const char* segments[] = {"a", "b", "a*", "**", "?", "{a,c}", "[ab]", "x**"};
  const char* names[] = {"a", "b", "c", "xa", "ab"};
  int found = 0;
  for (int trial = 0; trial < 20'000; ++trial) {
    std::string glob;
    std::string name;
    for (unsigned i = 0; i < 2 + random() % 3; ++i) glob += (i > 0 ? "." : "") + std::string(segments[random() % 8]);
    for (unsigned i = 0; i < 2 + random() % 4; ++i) name += (i > 0 ? "." : "") + std::string(names[random() % 5]);
    const auto compiled = pattern(glob);
    const auto near = SegmentGlob(*compiled).miss(name);
    if (!near) continue;
    ++found;
    CAPTURE(glob);
    CAPTURE(name);
    REQUIRE_FALSE(compiled->matches(name));
    REQUIRE(pattern(near->corrected)->matches(name));
  }
  CHECK(found > 500);
}

TEST_CASE("near name: more in common is better, then fewer edits") {
  SegmentMiss a;
  SegmentMiss b;
  a.agreeing = 3;
  b.agreeing = 2;
  CHECK(better(a, b));
  b.agreeing = 3;
  a.distance = 1;
  b.distance = 2;
  CHECK(better(a, b));
  CHECK_FALSE(better(b, a));
}
