#include <doctest/doctest.h>

#include "tests/optimizers/every_plugin.h"

using namespace switchyard;

TEST_CASE("conformance: options out of range and unknown ones are refused") {
  every_plugin(conformance::bad_options_are_refused);
}
TEST_CASE("conformance: parameters that cannot be trained are refused") {
  every_plugin(conformance::unfit_parameters_are_refused);
}
TEST_CASE("conformance: a learning rate of 1e-28 moves nothing") { every_plugin(conformance::tiny_lr_moves_nothing); }
TEST_CASE("conformance: every option has an effect") { every_plugin(conformance::every_option_has_an_effect); }
TEST_CASE("conformance: weight decay follows its formula") {
  every_plugin(conformance::weight_decay_follows_its_formula);
}
TEST_CASE("conformance: clipping changes every plugin that is not scale-free") {
  every_plugin(conformance::clipping_changes_the_update);
}
