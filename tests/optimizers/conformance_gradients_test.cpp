#include <doctest/doctest.h>

#include "tests/optimizers/every_plugin.h"

using namespace switchyard;

TEST_CASE("conformance: a parameter without a gradient is inert") {
  every_plugin(conformance::missing_gradient_is_inert);
}
TEST_CASE("conformance: a zero gradient without decay moves nothing") {
  every_plugin(conformance::zero_gradient_moves_nothing);
}
TEST_CASE("conformance: frozen is inert, planned or at run time") { every_plugin(conformance::frozen_is_inert); }
TEST_CASE("conformance: gradients are never written") { every_plugin(conformance::gradients_are_never_written); }
TEST_CASE("conformance: the loss of a small net falls") { every_plugin(conformance::loss_falls); }
TEST_CASE("conformance: NaN or infinity in one gradient skips the whole step") {
  every_plugin(conformance::nonfinite_gradient_skips_the_whole_step);
}
TEST_CASE("conformance: the scale of gradients does what the traits say") {
  every_plugin(conformance::gradient_scale_laws);
}
TEST_CASE("conformance: a loss scale equals scaled gradients bit for bit") {
  every_plugin(conformance::loss_scale_equals_scaled_gradients);
}
