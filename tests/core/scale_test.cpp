#include "core/scale.h"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

using namespace switchyard;

TEST_CASE("scale: the formulas at shapes where they are exact") {
  CHECK(shape_scale(ShapeScale::spectral, 3072, 768) == 2.0);
  CHECK(shape_scale(ShapeScale::spectral, 768, 3072) == 1.0);
  CHECK(shape_scale(ShapeScale::rms_to_rms, 3072, 768) == 2.0);
  CHECK(shape_scale(ShapeScale::rms_to_rms, 768, 3072) == 0.5);
  CHECK(shape_scale(ShapeScale::match_rms_adamw, 100, 25) == doctest::Approx(2.0).epsilon(1e-15));
  CHECK(shape_scale(ShapeScale::match_rms_adamw, 25, 100) == doctest::Approx(2.0).epsilon(1e-15));
  CHECK(shape_scale(ShapeScale::none, 7, 3) == 1.0);
}

TEST_CASE("scale: laws over a sweep of shapes") {
  for (std::int64_t out = 1; out < 2000; out = out * 3 / 2 + 1) {
    for (std::int64_t in = 1; in < 2000; in = in * 3 / 2 + 1) {
      const auto rms = shape_scale(ShapeScale::rms_to_rms, out, in);
      CHECK(rms * shape_scale(ShapeScale::rms_to_rms, in, out) == doctest::Approx(1.0).epsilon(1e-15));
      CHECK(shape_scale(ShapeScale::spectral, out, in) == std::max(1.0, rms));
      CHECK(shape_scale(ShapeScale::match_rms_adamw, out, in) == shape_scale(ShapeScale::match_rms_adamw, in, out));
    }
  }
}

TEST_CASE("scale: an empty block has factor 1, never a NaN") {
  for (const auto& entry : describe(of<ShapeScale>{})) {
    CHECK(shape_scale(entry.value, 0, 5) == 1.0);
    CHECK(shape_scale(entry.value, 5, 0) == 1.0);
    CHECK(shape_scale(entry.value, 0, 0) == 1.0);
    CHECK(shape_scale_from_name(entry.name) == entry.value);
  }
  CHECK_THROWS_AS(shape_scale_from_name("Spectral"), std::logic_error);
}
