#include "kernels/newton_schulz.h"

#include "kernels/denormals.h"
#include "kernels/exact_sum.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace switchyard::kernels {
namespace {

/// One matrix as the kernel sees it: packed [m, n], computed as [rows, columns] with rows the short side.
struct Shape {
  std::int64_t m, n;
  [[nodiscard]] bool transposed() const { return m > n; }
  [[nodiscard]] std::int64_t rows() const { return std::min(m, n); }
  [[nodiscard]] std::int64_t columns() const { return std::max(m, n); }
  [[nodiscard]] std::int64_t numel() const { return m * n; }
  /// Place in the packed input of element (i, j) of the computed matrix.
  [[nodiscard]] std::int64_t at(std::int64_t i, std::int64_t j) const { return transposed() ? j * n + i : i * n + j; }
};

/// x = (values * scale) / norm with scale a power of two, so that norm neither overflows nor is denormal.
struct Normalizer {
  double first = 1.0, second = 1.0;  // the scale in two factors: 2^1074 is not a double
  double norm = 0.0;
};

Normalizer normalizer(const float* x, std::int64_t n) {
  // No prescale: squares of floats fit the accumulator, and the norm of floats is a normal double.
  ExactSum sum;
  add_squares(x, n, sum);
  return {1.0, 1.0, sum.norm()};
}

Normalizer normalizer(const double* x, std::int64_t n) {
  double largest = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return {1.0, 1.0, std::numeric_limits<double>::quiet_NaN()};
    largest = std::max(largest, std::abs(x[i]));
  }
  if (largest == 0.0) return {};
  const int exponent = -std::ilogb(largest);
  Normalizer result{std::ldexp(1.0, exponent / 2), std::ldexp(1.0, exponent - exponent / 2), 0.0};
  ExactSum64 sum;
  double scaled[256];
  for (std::int64_t begin = 0; begin < n; begin += 256) {
    const std::int64_t count = std::min<std::int64_t>(256, n - begin);
    for (std::int64_t i = 0; i < count; ++i) scaled[i] = x[begin + i] * result.first * result.second;
    add_squares(scaled, count, sum);
  }
  result.norm = sum.norm();
  return result;
}

template <class T, class S>
at::Tensor normalized(const T* x, const Shape& shape, const Normalizer& by, at::ScalarType dtype) {
  at::Tensor result = at::empty({shape.rows(), shape.columns()}, at::TensorOptions(dtype));  // [r, c], 64-byte aligned
  S* to = result.mutable_data_ptr<S>();
  for (std::int64_t i = 0; i < shape.rows(); ++i) {
    for (std::int64_t j = 0; j < shape.columns(); ++j) {
      const double quotient = static_cast<double>(x[shape.at(i, j)]) * by.first * by.second / by.norm;
      if constexpr (std::is_same_v<S, double>) {
        *to++ = quotient;
      } else {
        *to++ = static_cast<S>(static_cast<float>(quotient));
      }
    }
  }
  return result;
}

/// The iteration on a packed X [r, c] of its own; consumes it. Every temporary is freshly allocated, because BLAS picks
/// its code by the alignment of its operands and would give other bits for a block that lies elsewhere.
at::Tensor iterate(at::Tensor x, const std::vector<Coefficients>& rows) {
  const std::int64_t r = x.size(0);
  at::Tensor gram = at::empty({r, r}, x.options());        // [r, r]
  at::Tensor polynomial = at::empty({r, r}, x.options());  // [r, r]
  at::Tensor next = at::empty(x.sizes(), x.options());     // [r, c]
  for (const Coefficients& k : rows) {
    at::mm_out(gram, x, x.t());
    at::addmm_out(polynomial, gram, gram, gram, k.b, k.c);  // bA + cA^2
    at::addmm_out(next, x, polynomial, x, k.a, 1.0);        // aX + (bA + cA^2)X
    std::swap(x, next);
  }
  return x;
}

template <class T, class S>
void write_back(const at::Tensor& x, const Shape& shape, T* out) {
  const S* from = x.const_data_ptr<S>();
  for (std::int64_t i = 0; i < shape.rows(); ++i) {
    for (std::int64_t j = 0; j < shape.columns(); ++j) out[shape.at(i, j)] = static_cast<T>(*from++);
  }
}

template <class T>
void one_matrix(const T* x, T* out, const Shape& shape, const NewtonSchulz& options) {
  const KeepDenormals keep;
  Normalizer by = normalizer(x, shape.numel());
  by.norm *= options.norm_multiplier;
  if (by.norm == 0.0) {
    std::fill_n(out, shape.numel(), T(0));
  } else if (!std::isfinite(by.norm)) {
    std::fill_n(out, shape.numel(), std::numeric_limits<T>::quiet_NaN());
  } else if (options.dtype == at::ScalarType::Double) {
    write_back<T, double>(iterate(normalized<T, double>(x, shape, by, options.dtype), options.rows), shape, out);
  } else if (options.dtype == at::ScalarType::Float) {
    write_back<T, float>(iterate(normalized<T, float>(x, shape, by, options.dtype), options.rows), shape, out);
  } else {
    write_back<T, c10::BFloat16>(iterate(normalized<T, c10::BFloat16>(x, shape, by, options.dtype), options.rows),
                                 shape, out);
  }
}

template <class T>
void all_matrices(const at::Tensor& x, at::Tensor& out, const Shape& shape, const NewtonSchulz& options) {
  const T* from = x.const_data_ptr<T>();
  T* to = out.mutable_data_ptr<T>();
  const std::int64_t count = shape.numel() == 0 ? 0 : x.numel() / shape.numel();
  const auto one = [&](std::int64_t k) {
    one_matrix<T>(from + k * shape.numel(), to + k * shape.numel(), shape, options);
  };
  if (shape.rows() >= kOneThreadSide) {
    for (std::int64_t k = 0; k < count; ++k) one(k);
    return;
  }
  // Inside a parallel region BLAS uses one thread. A lone matrix gets an idle companion, so that it enters a region
  // too: otherwise its bits would depend on whether it has neighbours and on the number of threads.
  at::parallel_for(0, std::max<std::int64_t>(count, 2), 1, [&](std::int64_t begin, std::int64_t end) {
    const at::NoGradGuard no_grad;
    for (std::int64_t k = begin; k < std::min(end, count); ++k) one(k);
  });
}

}  // namespace

std::int64_t orthogonalize_bytes(std::int64_t m, std::int64_t n, at::ScalarType x, const NewtonSchulz& options) {
  const Shape shape{m, n};
  const auto line = [](std::int64_t bytes) { return (bytes + 63) / 64 * 64; };  // what the allocator gives
  const auto iterated = static_cast<std::int64_t>(c10::elementSize(options.dtype));
  return 2 * line(m * n * iterated) + 2 * line(shape.rows() * shape.rows() * iterated) +
         line(m * n * static_cast<std::int64_t>(c10::elementSize(x)));
}

at::Tensor orthogonalize(const at::Tensor& x, const NewtonSchulz& options) {
  const auto refuse = [](const std::string& why) { throw std::invalid_argument("orthogonalize: " + why); };
  if (!x.defined() || x.dim() < 2) refuse("expected a tensor [..., m, n] with at least 2 dimensions");
  if (!x.device().is_cpu() || x.layout() != at::kStrided) refuse("expected a strided CPU tensor");
  const at::ScalarType type = x.scalar_type();
  if (type != at::ScalarType::Float && type != at::ScalarType::Double)
    refuse(std::string("x must be float32 or float64, got ") + at::toString(type));
  if (options.dtype != at::ScalarType::Float && options.dtype != at::ScalarType::Double &&
      options.dtype != at::ScalarType::BFloat16) {
    refuse(std::string("iterates in Float, Double or BFloat16, not ") + at::toString(options.dtype));
  }
  if (!(options.norm_multiplier > 0) || !std::isfinite(options.norm_multiplier))
    refuse("norm_multiplier must be positive and finite");
  const at::NoGradGuard no_grad;
  const at::Tensor packed = x.contiguous();                        // [..., m, n]
  at::Tensor out = at::empty(x.sizes(), at::TensorOptions(type));  // [..., m, n]
  const Shape shape{x.size(-2), x.size(-1)};
  if (type == at::ScalarType::Float) {
    all_matrices<float>(packed, out, shape, options);
  } else {
    all_matrices<double>(packed, out, shape, options);
  }
  return out;
}

}  // namespace switchyard::kernels
