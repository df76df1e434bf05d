#include "kernels/master.h"

#include "kernels/pointwise.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <stdexcept>

namespace switchyard::kernels {
namespace {

template <class Half>
void adopt(const at::Tensor& master, const at::Tensor& stored) {
  pointwise(at::kFloat, {inout(master), in(stored)}, [](auto x, std::int64_t n) {
    using C = typename decltype(x)::scalar;
    C* m = x[0];
    const C* s = x[1];
    for (std::int64_t i = 0; i < n; ++i) {
      const C rounded = static_cast<C>(static_cast<float>(Half(static_cast<float>(m[i]))));
      m[i] = rounded == s[i] ? m[i] : s[i];
    }
  });
}

}  // namespace

void adopt_writes(const at::Tensor& master, const at::Tensor& stored) {
  if (master.scalar_type() != at::kFloat) throw std::invalid_argument("adopt_writes: the master must be float32");
  switch (stored.scalar_type()) {
    case at::kBFloat16:
      return adopt<c10::BFloat16>(master, stored);
    case at::kHalf:
      return adopt<c10::Half>(master, stored);
    default:
      throw std::invalid_argument("adopt_writes: the stored parameter must be bfloat16 or float16");
  }
}

}  // namespace switchyard::kernels
