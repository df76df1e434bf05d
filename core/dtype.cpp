#include "core/dtype.h"

namespace switchyard {

std::string_view to_string(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
      return "float32";
    case Dtype::float64:
      return "float64";
    case Dtype::bfloat16:
      return "bfloat16";
    case Dtype::float16:
      return "float16";
    case Dtype::other:
      return "other";
  }
  return "other";
}

Dtype dtype_from_string(std::string_view name) {
  if (name.substr(0, 6) == "torch.") name.remove_prefix(6);
  for (const auto dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16, Dtype::float16}) {
    if (name == to_string(dtype)) return dtype;
  }
  return Dtype::other;
}

bool can_require_grad(std::string_view name) {
  const auto starts = [&](std::string_view with) { return name.substr(0, with.size()) == with; };
  return !starts("int") && !starts("uint") && !starts("bool");
}

std::int64_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return 8;
    case Dtype::float32:
      return 4;
    case Dtype::bfloat16:
    case Dtype::float16:
      return 2;
    case Dtype::other:
      return 0;
  }
  return 0;
}

}  // namespace switchyard
