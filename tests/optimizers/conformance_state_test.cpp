#include <doctest/doctest.h>

#include "tests/optimizers/every_plugin.h"

using namespace switchyard;

// Covers H18.
TEST_CASE("conformance: all state exists from the start, as declared") {
  every_plugin(conformance::state_is_complete_and_declared);
}
TEST_CASE("conformance: a checkpoint from before an option existed loads") {
  every_plugin(conformance::older_checkpoint_loads);
}
TEST_CASE("conformance: state that does not fit is refused and changes nothing") {
  every_plugin(conformance::foreign_state_is_refused);
}
TEST_CASE("conformance: a plugin that fails poisons, and load heals") {
  every_plugin(conformance::failing_plugin_poisons);
}

TEST_CASE("conformance: a rank that fails stops all ranks, and a load on all of them heals") {
  every_plugin(conformance::failing_rank_stops_all_until_they_load);
}
