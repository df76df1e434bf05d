#include "kernels/exact_sum.h"

#include "kernels/denormals.h"
#include "kernels/exact_sum_detail.h"
#include "kernels/squares_of_many.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kMask32 = 0xffffffff;

/// A finite value as mantissa * 2^exponent, rounded to 53 bits to nearest even (fewer bits where `lowest` cuts them
/// off: no bit below 2^lowest is kept). limbs must be normalised.
struct Rounded {
  std::uint64_t mantissa;
  int exponent;
};

template <int Limbs, int Base>
Rounded round_limbs(const std::array<std::int64_t, Limbs>& limbs, int lowest) {
  const auto bit = [&](int k) {
    return k / 32 < Limbs - 1 ? (limbs[k / 32] >> (k % 32)) & 1 : (limbs[Limbs - 1] >> (k - 32 * (Limbs - 1))) & 1;
  };
  int limb = Limbs - 1;
  while (limb >= 0 && limbs[limb] == 0) --limb;
  if (limb < 0) return {0, 0};
  const int top = 32 * limb + 63 - std::countl_zero(static_cast<std::uint64_t>(limbs[limb]));
  const int cut = std::max({top - 52, lowest - Base, 0});  // lowest bit kept
  std::uint64_t mantissa = 0;
  for (int k = top; k >= cut; --k) mantissa = 2 * mantissa + static_cast<std::uint64_t>(bit(k));
  if (cut > 0 && bit(cut - 1) != 0) {
    bool sticky = (mantissa & 1U) != 0;  // a tie goes to even
    for (int k = cut - 2; k >= 0 && !sticky; --k) sticky = bit(k) != 0;
    if (sticky) ++mantissa;
  }
  return {mantissa, Base + cut};
}

void require_tensor(const at::Tensor& t, std::initializer_list<at::ScalarType> types) {
  if (!t.defined()) throw std::invalid_argument("add_squares: the tensor is undefined");
  if (!t.device().is_cpu() || t.layout() != at::kStrided)
    throw std::invalid_argument("add_squares: not a strided CPU tensor");
  if (std::find(types.begin(), types.end(), t.scalar_type()) == types.end()) {
    throw std::invalid_argument(std::string("add_squares: dtype ") + at::toString(t.scalar_type()) +
                                " needs the other accumulator or is not supported");
  }
}

/// One tensor as the only item.
SquaresSums squares_of(const at::Tensor& t) {
  SquaresItem item;
  item.view = {const_cast<void*>(t.const_data_ptr()), t.scalar_type(),
               t.is_contiguous() ? nullptr : t.strides().data()};
  item.sizes = {t.sizes().data(), t.sizes().size()};
  item.numel = t.numel();
  SquaresSums sums;
  add_squares_of({&item, 1}, {&sums, 1});
  return sums;
}

}  // namespace

template <int Limbs, int Base>
void ExactAccumulator<Limbs, Base>::normalize() {
  for (int i = 0; i + 1 < Limbs; ++i) {
    limbs[i + 1] += limbs[i] >> 32;
    limbs[i] &= kMask32;
  }
}

template <int Limbs, int Base>
ExactAccumulator<Limbs, Base>& ExactAccumulator<Limbs, Base>::operator+=(const ExactAccumulator& other) {
  for (int i = 0; i < Limbs; ++i) limbs[i] += other.limbs[i];
  n_inf += other.n_inf;
  n_nan += other.n_nan;
  normalize();
  return *this;
}

template <int Limbs, int Base>
double ExactAccumulator<Limbs, Base>::sum() const {
  if (n_nan > 0) return std::numeric_limits<double>::quiet_NaN();
  if (n_inf > 0) return std::numeric_limits<double>::infinity();
  ExactAccumulator packed = *this;
  packed.normalize();
  const Rounded r = round_limbs<Limbs, Base>(packed.limbs, -1074);
  return std::ldexp(static_cast<double>(r.mantissa), r.exponent);
}

template <int Limbs, int Base>
double ExactAccumulator<Limbs, Base>::norm() const {
  if (n_nan > 0) return std::numeric_limits<double>::quiet_NaN();
  if (n_inf > 0) return std::numeric_limits<double>::infinity();
  ExactAccumulator packed = *this;
  packed.normalize();
  Rounded r = round_limbs<Limbs, Base>(packed.limbs, Base);
  if (r.exponent % 2 != 0) {  // an even power of two leaves the root exactly; 54 bits of an even number stay exact
    r.mantissa *= 2;
    r.exponent -= 1;
  }
  return std::ldexp(std::sqrt(static_cast<double>(r.mantissa)), r.exponent / 2);
}

void add_squares(const at::Tensor& t, ExactSum& sum) {
  require_tensor(t, {at::ScalarType::Float, at::ScalarType::BFloat16, at::ScalarType::Half});
  sum += squares_of(t).narrow;
}

void add_squares(const at::Tensor& t, ExactSum64& sum) {
  require_tensor(t, {at::ScalarType::Double});
  sum += squares_of(t).wide;
}

void add_squares(const float* values, std::int64_t n, ExactSum& sum, ExactPath path) {
  if (!exact_path_available(path)) {
    throw std::invalid_argument(std::string("add_squares: this processor lacks the instructions of path ") +
                                exact_path_name(path));
  }
  if (path == ExactPath::automatic) path = detail::best_path();
  const KeepDenormals keep;
  for (std::int64_t begin = 0; begin < n; begin += detail::kDepositsBeforeNormalize) {
    const std::int64_t length = std::min(n - begin, detail::kDepositsBeforeNormalize);
    if (path == ExactPath::scalar) {
      detail::add_bins(values + begin, length, sum);
    } else {
      detail::add_windows(values + begin, length, sum, path);
    }
    sum.normalize();
  }
}

void add_squares(const double* values, std::int64_t n, ExactSum64& sum) {
  for (std::int64_t begin = 0; begin < n; begin += detail::kDepositsBeforeNormalize) {
    detail::add_bins(values + begin, std::min(n - begin, detail::kDepositsBeforeNormalize), sum);
    sum.normalize();
  }
}

void add(ExactSum64& sum, const ExactSum& narrow) {
  constexpr int kShift = ExactSum::kBaseExponent - ExactSum64::kBaseExponent;  // 1850 = 57 * 32 + 26
  ExactSum packed = narrow;
  packed.normalize();
  sum.normalize();
  for (int i = 0; i < ExactSum::kLimbs; ++i) {
    detail::deposit(sum, static_cast<std::uint64_t>(packed.limbs[i]), kShift + 32 * i);
  }
  sum.n_inf += packed.n_inf;
  sum.n_nan += packed.n_nan;
  sum.normalize();
}

double joint_norm(const ExactSum& narrow, const ExactSum64& wide) {
  ExactSum64 joint = wide;
  add(joint, narrow);
  return joint.norm();
}

template struct ExactAccumulator<20, -298>;
template struct ExactAccumulator<134, -2148>;

}  // namespace switchyard::kernels
