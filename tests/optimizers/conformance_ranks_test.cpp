#include <doctest/doctest.h>

#include "tests/optimizers/every_plugin.h"

using namespace switchyard;

TEST_CASE("conformance: ranks and shards change no bit") { every_plugin(conformance::ranks_change_no_bit); }

TEST_CASE("conformance: offloading to copies in host memory changes no bit") {
  every_plugin(conformance::host_copies_change_no_bit);
}
