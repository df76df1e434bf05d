#include "core/plugin/optimizer.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/plugin/elementwise.h"

namespace switchyard {

void Step::wrong_options(const std::type_info& asked, const std::type_info& there) {
  throw OptimizerError(std::string("a plugin asks for its options as ") + asked.name() + ", its table is of " +
                       there.name());
}

at::Tensor Piece::tensor(const kernels::View& view) const {
  const at::IntArrayRef shape(sizes.data(), sizes.size());
  const auto options = at::TensorOptions().dtype(view.codec == kernels::Codec::none ? view.dtype : at::kByte);
  if (view.strides == nullptr) return at::from_blob(view.data, shape, options);
  return at::from_blob(view.data, shape, at::IntArrayRef(view.strides, sizes.size()), options);
}

at::Tensor Piece::parameter() {
  if (stored) {
    kernels::adopt_writes(param, stored, sizes, numel);
    rounds_later = true;
  }
  return tensor(param);
}

void apply_update(Pieces pieces, const Step& step) {
  elementwise(pieces, step, operands(inout(piece::param), in(piece::work)), [](const Numbers& at, auto real) {
    const auto keep = real(1 - at.decay), lr = real(at.lr);
    return [=](auto& p, auto u) { p = p * keep - lr * u; };
  });
}

}  // namespace switchyard
