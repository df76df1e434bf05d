#include <doctest/doctest.h>

#include <random>

#include "rules/match_index.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

struct RandomRules {
  PatternList patterns;
  std::vector<Match> matches;
  std::vector<Match> excepts;
};

Match random_match(std::mt19937& random, std::size_t patterns, int depth) {
  Match out;
  const auto coin = [&](unsigned n) { return random() % n == 0; };
  if (coin(2)) {
    for (unsigned i = 0; i < 1 + random() % 2; ++i) out.names.push_back(static_cast<int>(random() % patterns));
  }
  if (coin(3)) out.ndim = IntCondition{{{1, static_cast<std::int64_t>(1 + random() % 2)}}, "?"};
  if (coin(6)) out.tied = coin(2);
  if (coin(6)) out.modules = {"M"};
  if (depth > 0 && coin(4))
    out.any = {random_match(random, patterns, depth - 1), random_match(random, patterns, depth - 1)};
  if (depth > 0 && coin(5)) out.all = {random_match(random, patterns, depth - 1)};
  if (depth > 0 && coin(5)) out.none = {random_match(random, patterns, depth - 1)};
  if (out.empty()) out.names.push_back(0);
  return out;
}

}  // namespace

TEST_CASE("match index: it finds what comparing everything with everything finds") {
  const unsigned seed = 7;
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const std::vector<std::string> texts = {"**",          "a.*",       "*.b",    "a.b",   "x.**.c",
                                          "{a,x}.{b,c}", "re:a\\..*", "re:.*c", "?.b",   "**.b.*",
                                          "re:[ax].*",   "re:a.b|zz", "nope",   "*.*.*", "re:x\\.a+\\.c"};
  int found = 0;
  for (int trial = 0; trial < 200; ++trial) {
    RandomRules rules;
    PatternError error;
    for (const auto& text : texts) rules.patterns.push_back(Pattern::compile(text, error));
    for (int i = 0; i < 70; ++i) rules.matches.push_back(random_match(random, texts.size(), 2));
    for (int i = 0; i < 70; ++i) rules.excepts.push_back(random_match(random, texts.size(), 1));
    std::vector<ParameterInfo> entries;
    const char* segments[] = {"a", "b", "c", "x"};
    for (int i = 0; i < 12; ++i) {
      std::string name = segments[random() % 4];
      for (unsigned k = 0; k < random() % 3; ++k) name += std::string(".") + segments[random() % 4];
      auto info = test::parameter(name + (i < 3 ? "" : std::to_string(i)),
                                  std::vector<std::int64_t>(1 + random() % 3, 2), random() % 2 ? "M" : "N");
      if (random() % 3 == 0) info.names.push_back("x." + std::to_string(i) + ".c");
      if (i < 3) info.names.front() += std::string(static_cast<std::size_t>(i), 'a');
      entries.push_back(std::move(info));
    }
    Diagnostics ignored;
    const auto table = ParameterTable::build(entries, ignored);
    std::vector<MatchIndex::Entry> list;
    for (std::size_t i = 0; i < rules.matches.size(); ++i)
      list.push_back({&rules.matches[i], i % 3 == 0 ? &rules.excepts[i] : nullptr, i % 7 != 0});
    MatchIndex index(rules.patterns, list, table);
    std::vector<std::uint64_t> bits;
    for (const auto& info : table.parameters()) {
      index.matching(info, info.names, bits);
      const auto hits = pattern_hits(rules.patterns, info.names);
      REQUIRE(index.hits() == hits);
      const Subject subject{info, rules.patterns, hits};
      for (std::size_t i = 0; i < list.size(); ++i) {
        const bool want = list[i].enabled && holds(*list[i].match, subject) &&
                          (list[i].except == nullptr || !holds(*list[i].except, subject));
        REQUIRE_MESSAGE((bits[i / 64] >> (i % 64) & 1) == (want ? 1U : 0U), info.name());
        found += want ? 1 : 0;
        if (!want && list[i].enabled && !holds(*list[i].match, subject))
          CHECK_FALSE(why_not(*list[i].match, subject).empty());
      }
    }
  }
  CHECK(found > 1000);
}

TEST_CASE("literal set: it finds every occurrence, also inside one another") {
  const std::vector<std::string> texts = {"he", "she", "hers", "his", "e", "x.y"};
  const LiteralSet set(texts);
  std::vector<char> seen(texts.size(), 0);
  set.find("ushers.x.y", [&](std::int32_t i) { seen[static_cast<std::size_t>(i)] = 1; });
  CHECK(seen == std::vector<char>{1, 1, 1, 0, 1, 1});
  std::fill(seen.begin(), seen.end(), 0);
  set.find("\xFF zzz", [&](std::int32_t i) { seen[static_cast<std::size_t>(i)] = 1; });
  CHECK(seen == std::vector<char>(texts.size(), 0));
}
