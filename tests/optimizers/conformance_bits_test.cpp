#include <doctest/doctest.h>

#include "tests/optimizers/every_plugin.h"

using namespace switchyard;

TEST_CASE("conformance: dtypes and strides stay") { every_plugin(conformance::dtype_and_strides_stay); }
TEST_CASE("conformance: the layout of parameters and gradients changes no bit") {
  every_plugin(conformance::layout_changes_no_bit);
}
TEST_CASE("conformance: a second run changes no bit") { every_plugin(conformance::rerun_changes_no_bit); }
TEST_CASE("conformance: the order of parameters changes no bit") { every_plugin(conformance::order_changes_no_bit); }
TEST_CASE("conformance: two threads give what one gives") { every_plugin(conformance::threads_change_little); }
TEST_CASE("conformance: a block's bits do not depend on its stack") {
  every_plugin(conformance::neighbours_change_no_bit);
}
TEST_CASE("conformance: a step takes no more than the printed workspace") {
  every_plugin(conformance::memory_stays_within_the_printed_workspace);
}
