#include "kernels/newton_schulz.h"

#include "kernels/exact_sum.h"
#include "kernels/newton_schulz_norm.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace switchyard::kernels {
namespace {

std::int64_t lines(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }
std::int64_t size_of(at::ScalarType type) { return static_cast<std::int64_t>(c10::elementSize(type)); }

/// Where the temporaries of a call lie and who works on what; a function of the shape and the dtypes, but for
/// `workers`.
struct Layout {
  bool across = false;       // threads across matrices, each with temporaries of its own
  int workers = 1;           // matrices at a time, or threads inside one
  std::int64_t matrix = 0;   // bytes of temporaries of one matrix
  std::int64_t worker = 0;   // and of each thread inside it
  std::int64_t library = 0;  // allocated by the library's products, one matrix at a time
  [[nodiscard]] std::int64_t slot() const { return matrix + (across ? worker : workers * worker); }
  [[nodiscard]] std::int64_t bytes() const { return (across ? workers : 1) * slot(); }
  [[nodiscard]] std::int64_t everything() const { return bytes() + (across ? workers : 1) * library; }
};

/// See orthogonalize_bytes.
std::int64_t bfloat16_product_bytes(std::int64_t rows, std::int64_t columns) {
  const std::int64_t r = (rows + 63) / 64 * 64, c = (columns + 63) / 64 * 64;
  return 2 * (r * r + r * c) + 4 * r * c + 4096;
}

template <class S>
std::int64_t elements_of(std::int64_t m, std::int64_t n, IterationForm form, bool of_worker) {
  return of_worker ? SymmetricIteration<S>::worker_elements(m, n) : SymmetricIteration<S>::shared_elements(m, n, form);
}

Layout layout_of(std::int64_t m, std::int64_t n, at::ScalarType x, const NewtonSchulz& options, int threads) {
  const std::int64_t r = std::min(m, n), c = std::max(m, n), size = size_of(options.dtype);
  const auto steps = static_cast<std::int64_t>(options.rows.size());
  Layout layout;
  if (r == 0) return layout;
  if (options.dtype == at::ScalarType::BFloat16) {
    layout.matrix = 2 * lines(r * c * size) + 2 * lines(r * r * size);
    layout.library = bfloat16_product_bytes(r, c);
  } else {
    const auto form = newton_schulz_form(m, n, options.dtype, steps);
    const bool wide = options.dtype == at::ScalarType::Double;
    const auto count = [&](bool of_worker) {
      return wide ? elements_of<double>(m, n, form, of_worker) : elements_of<float>(m, n, form, of_worker);
    };
    layout.matrix = lines(count(false) * size) + (x == options.dtype ? 0 : lines(m * n * size));
    layout.worker = lines(count(true) * size);
  }
  constexpr std::int64_t kSmall = std::int64_t{8} << 20;
  layout.across = r < kAcrossSide && layout.matrix + layout.worker <= kSmall;
  // The library works with all threads by itself.
  const bool alone = options.dtype == at::ScalarType::BFloat16 && !layout.across;
  layout.workers = alone ? 1 : std::clamp(threads, 1, kMostThreads);
  return layout;
}

/// Matrices of one shape, dtype and options.
struct Call {
  std::int64_t m, n;
  const NewtonSchulz& options;
  IterationForm form;
  const Layout& layout;
  [[nodiscard]] std::int64_t numel() const { return m * n; }
};

/// x <- scale p_T(x / norm) by SymmetricIteration, where x lies if it has the iteration's dtype S.
template <class T, class S>
void iterate(T* x, T scale, const Normalizer& by, const Call& call, const Team& team, std::byte* memory) {
  auto* shared = reinterpret_cast<S*>(memory);
  auto* workers = reinterpret_cast<S*>(memory + call.layout.matrix);
  const SymmetricIteration<S> iteration(call.m, call.n, call.form, team, shared, workers);
  if constexpr (std::is_same_v<T, S>) {
    normalize(x, x, call.numel(), by, team);
    iteration.run(x, call.options.rows, scale);
  } else {
    S* copy = shared + lines(elements_of<S>(call.m, call.n, call.form, false) * static_cast<std::int64_t>(sizeof(S))) /
                           static_cast<std::int64_t>(sizeof(S));
    normalize(x, copy, call.numel(), by, team);
    iteration.run(copy, call.options.rows, S(1));
    for (std::int64_t i = 0; i < call.numel(); ++i) x[i] = scale * static_cast<T>(copy[i]);
  }
}

/// The same in bfloat16 on a copy [r, c] with r the short side. Temporaries start on 64-byte boundaries, because BLAS
/// picks its code by the alignment of its operands and would give other bits for a matrix that lies elsewhere.
template <class T>
void iterate_bfloat16(T* x, T scale, const Normalizer& by, const Call& call, std::byte* memory) {
  using S = c10::BFloat16;
  const at::NoGradGuard no_grad;
  const bool transposed = call.m > call.n;
  const std::int64_t r = std::min(call.m, call.n), c = std::max(call.m, call.n);
  const auto place = [&](std::int64_t i, std::int64_t j) { return transposed ? j * call.n + i : i * call.n + j; };
  const auto take = [&](std::int64_t rows, std::int64_t columns) {
    const at::Tensor tensor = at::from_blob(memory, {rows, columns}, at::TensorOptions(at::ScalarType::BFloat16));
    memory += lines(rows * columns * static_cast<std::int64_t>(sizeof(S)));
    return tensor;
  };
  at::Tensor now = take(r, c);         // [r, c]
  at::Tensor next = take(r, c);        // [r, c]
  at::Tensor gram = take(r, r);        // [r, r]
  at::Tensor polynomial = take(r, r);  // [r, r]
  S* from = now.mutable_data_ptr<S>();
  in_squares(r, c, [&](std::int64_t i, std::int64_t j) { from[i * c + j] = quotient<S>(x[place(i, j)], by); });
  for (const Coefficients& k : call.options.rows) {
    at::mm_out(gram, now, now.t());
    at::addmm_out(polynomial, gram, gram, gram, k.b, k.c);  // bA + cA^2
    at::addmm_out(next, now, polynomial, now, k.a, 1.0);    // aX + (bA + cA^2)X
    std::swap(now, next);
  }
  const S* to = now.const_data_ptr<S>();
  in_squares(r, c, [&](std::int64_t i, std::int64_t j) { x[place(i, j)] = scale * static_cast<T>(to[i * c + j]); });
}

template <class T>
void one_matrix(T* x, T scale, const Call& call, const Team& team, std::byte* memory) {
  Normalizer by;
  if constexpr (std::is_same_v<T, float>) {
    if (team.workers() > 1) {
      ExactSum sum;
      add_squares(at::from_blob(x, {call.numel()}, at::TensorOptions(at::ScalarType::Float)), sum);
      by.norm = sum.norm();
    } else {
      by = normalizer(x, call.numel());
    }
  } else {
    by = normalizer(x, call.numel());
  }
  by.norm *= call.options.norm_multiplier;
  if (by.norm == 0.0) {
    std::fill_n(x, call.numel(), T(0));
  } else if (!std::isfinite(by.norm)) {
    std::fill_n(x, call.numel(), std::numeric_limits<T>::quiet_NaN());
  } else if (call.options.dtype == at::ScalarType::Double) {
    iterate<T, double>(x, scale, by, call, team, memory);
  } else if (call.options.dtype == at::ScalarType::Float) {
    iterate<T, float>(x, scale, by, call, team, memory);
  } else {
    iterate_bfloat16<T>(x, scale, by, call, memory);
  }
}

template <class T>
void all_matrices(const at::Tensor& stack, std::span<const double> scales, const Call& call, std::byte* memory) {
  T* first = stack.mutable_data_ptr<T>();
  const auto one = [&](std::int64_t b, const Team& team, std::byte* slot) {
    const T scale = scales.empty() ? T(1) : static_cast<T>(scales[static_cast<std::size_t>(b)]);
    one_matrix<T>(first + b * stack.stride(0), scale, call, team, slot);
  };
  const KeepDenormals keep;
  const std::int64_t count = stack.size(0);
  if (!call.layout.across) {
    const Team inside(call.layout.workers);
    for (std::int64_t b = 0; b < count; ++b) one(b, inside, memory);
    return;
  }
  const Team alone(1);
  // In a parallel region the library's products use one thread. A lone bfloat16 matrix gets an idle companion, so that
  // it enters a region too: else its bits would depend on whether it has neighbours.
  const std::int64_t units = call.options.dtype == at::ScalarType::BFloat16 ? std::max<std::int64_t>(count, 2) : count;
  Team(call.layout.workers).run(units, [&](std::int64_t b, int worker) {
    if (b < count) one(b, alone, memory + worker * call.layout.slot());
  });
}

[[noreturn]] void refuse(const std::string& why) { throw std::invalid_argument("orthogonalize: " + why); }

void check(const at::Tensor& x, const NewtonSchulz& options) {
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
}

}  // namespace

IterationForm newton_schulz_form(std::int64_t m, std::int64_t n, at::ScalarType dtype, std::int64_t steps) {
  if (dtype == at::ScalarType::BFloat16) return IterationForm::standard;
  const double standard = iteration_flops(IterationForm::standard, m, n, steps);
  return iteration_flops(IterationForm::gram, m, n, steps) < 0.9 * standard ? IterationForm::gram
                                                                            : IterationForm::standard;
}

double newton_schulz_flops(std::int64_t m, std::int64_t n, at::ScalarType dtype, std::int64_t steps) {
  if (dtype != at::ScalarType::BFloat16) return iteration_flops(newton_schulz_form(m, n, dtype, steps), m, n, steps);
  const auto r = static_cast<double>(std::min(m, n)), c = static_cast<double>(std::max(m, n));
  return static_cast<double>(steps) * (4 * r * r * c + 2 * r * r * r);
}

std::int64_t orthogonalize_bytes(std::int64_t m, std::int64_t n, at::ScalarType x, const NewtonSchulz& options,
                                 int threads) {
  return layout_of(m, n, x, options, threads).everything();
}

void orthogonalize_(const at::Tensor& stack, const NewtonSchulz& options, std::span<const double> scales,
                    std::span<std::byte> scratch) {
  if (!stack.defined() || stack.dim() != 3) refuse("expected a stack [B, m, n]");
  check(stack, options);
  const std::int64_t m = stack.size(1), n = stack.size(2);
  if (!scales.empty() && static_cast<std::int64_t>(scales.size()) != stack.size(0))
    refuse("expected " + std::to_string(stack.size(0)) + " scales or none, got " + std::to_string(scales.size()));
  if (stack.numel() == 0) return;
  if ((n > 1 && stack.stride(2) != 1) || (m > 1 && stack.stride(1) != n)) refuse("the rows of a matrix must be packed");
  const at::NoGradGuard no_grad;
  auto layout = layout_of(m, n, stack.scalar_type(), options, at::in_parallel_region() ? 1 : at::get_num_threads());
  if (layout.across) layout.workers = static_cast<int>(std::min<std::int64_t>(layout.workers, stack.size(0)));
  // A lone bfloat16 matrix must still enter a parallel region, see all_matrices.
  if (layout.across && options.dtype == at::ScalarType::BFloat16 && layout.workers == 1 && !at::in_parallel_region())
    layout.workers = std::min(2, at::get_num_threads());
  at::Tensor own;
  if (static_cast<std::int64_t>(scratch.size()) < layout.bytes()) {
    own = at::empty({layout.bytes()}, at::TensorOptions(at::ScalarType::Byte));
    scratch = {static_cast<std::byte*>(own.mutable_data_ptr()), static_cast<std::size_t>(layout.bytes())};
  }
  const Call call{m, n, options,
                  newton_schulz_form(m, n, options.dtype, static_cast<std::int64_t>(options.rows.size())), layout};
  if (stack.scalar_type() == at::ScalarType::Float) {
    all_matrices<float>(stack, scales, call, scratch.data());
  } else {
    all_matrices<double>(stack, scales, call, scratch.data());
  }
}

at::Tensor orthogonalize(const at::Tensor& x, const NewtonSchulz& options) {
  if (!x.defined() || x.dim() < 2) refuse("expected a tensor [..., m, n] with at least 2 dimensions");
  check(x, options);
  const at::NoGradGuard no_grad;
  at::Tensor out = at::empty(x.sizes(), at::TensorOptions(x.scalar_type()));  // [..., m, n]
  out.copy_(x);
  if (out.numel() > 0) orthogonalize_(out.view({-1, x.size(-2), x.size(-1)}), options);
  return out;
}

}  // namespace switchyard::kernels
