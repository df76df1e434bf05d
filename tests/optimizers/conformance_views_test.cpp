#include <doctest/doctest.h>

#include "tests/optimizers/every_plugin.h"

using namespace switchyard;

TEST_CASE("conformance: a viewed block equals a parameter of its own") {
  every_plugin(conformance::views_equal_separate_parameters);
}
