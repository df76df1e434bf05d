#include <doctest/doctest.h>

#include "core/plan.h"
#include "core/sha256.h"

using namespace switchyard;

TEST_CASE("state line: numbers of slot shapes become names, and nothing else changes") {
  CHECK(upgraded_state_line(R"("w" [4, 3] float32 muon v1 momentum#0 batch= out=0 in=1)") ==
        R"("w" [4, 3] float32 muon v1 momentum:like_param:work batch= out=0 in=1)");
  CHECK(
      upgraded_state_line(R"("w" [4] float32 soap v2 left#5 right#6 mean#7 rows#3 m#8)") ==
      R"("w" [4] float32 soap v2 left:out_by_out:work right:in_by_in:work mean:per_block:work rows:per_out_row:work m:block_matrix:work)");
  // A key may hold anything, and what is of today stays.
  for (const auto* line : {R"("a#0 \"b#1" [4] float32 sgd v1)", R"("w" [4] float32 adamw v1 exp_avg:like_param:work)",
                           R"("w" [4] float32 bytes v1 codes#1)", R"("w" x#9)", "\"unended#0", ""}) {
    CHECK(upgraded_state_line(line) == line);
  }
}

TEST_CASE("state line: the hash of a plan is that of its lines in order of key") {
  CHECK(hash_of_state({}) == sha256(""));
  CHECK(hash_of_state({{"b", "two"}, {"a", "one"}}) == sha256("one\ntwo\n"));
}
