#include <doctest/doctest.h>

#include "tests/optimizers/every_plugin.h"

using namespace switchyard;

TEST_CASE("conformance: ranks and shards change no bit") { every_plugin(conformance::ranks_change_no_bit); }

TEST_CASE("conformance: offloading to copies in host memory changes no bit") {
  every_plugin(conformance::host_copies_change_no_bit);
}

TEST_CASE("conformance: a recorded formula replays to the same bits") {
  every_plugin(conformance::replayed_formulas_change_no_bit);
}
