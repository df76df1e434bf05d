#include "core/scale.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace switchyard {

double shape_scale(ShapeScale scale, std::int64_t out, std::int64_t in) {
  if (out == 0 || in == 0) return 1.0;
  const auto ratio = static_cast<double>(out) / static_cast<double>(in);
  switch (scale) {
    case ShapeScale::spectral:
      return std::sqrt(std::max(1.0, ratio));
    case ShapeScale::rms_to_rms:
      return std::sqrt(ratio);
    case ShapeScale::match_rms_adamw:
      return 0.2 * std::sqrt(static_cast<double>(std::max(out, in)));
    case ShapeScale::none:
      return 1.0;
  }
  return 1.0;
}

ShapeScale shape_scale_from_name(const std::string& name) {
  for (const auto& entry : describe(of<ShapeScale>{})) {
    if (name == entry.name) return entry.value;
  }
  throw std::logic_error("no shape scale is called " + name);
}

}  // namespace switchyard
