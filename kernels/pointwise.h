#pragma once
/// Position-free element-wise work over tensors of equal shape: the engine of every optimizer's local phase.
///
///     pointwise(at::kFloat, {in(grad), inout(momentum), out(work)}, [&](auto x, std::int64_t n) {
///       using C = typename decltype(x)::scalar;      // float or double
///       const C mu = static_cast<C>(beta);
///       const C* g = x[0]; C* m = x[1]; C* u = x[2];
///       for (std::int64_t i = 0; i < n; ++i) { m[i] = mu * m[i] + g[i]; u[i] = m[i]; }
///     });
///
/// The body sees chunks: every operand as `n` packed values of the compute type. What it computes for an element may
/// depend only on that element's operands, so the bits do not depend on position, strides, cuts or threads.
/// Compile bodies with -ffp-contract=off (the whole project is).

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <type_traits>

namespace switchyard::kernels {

inline constexpr std::size_t kMaxOperands = 8;        ///< operands of one call
inline constexpr std::int64_t kChunkElements = 1024;  ///< longest chunk that a body sees

enum class Access : std::uint8_t { in, out, inout };

/// One tensor of a call and what the body does with it. Holds a reference count, not the caller's variable.
struct Operand {
  at::Tensor tensor;
  Access access;
};

inline Operand in(const at::Tensor& t) { return {t, Access::in}; }        ///< read; the body must not write it
inline Operand out(const at::Tensor& t) { return {t, Access::out}; }      ///< written in every element; read as garbage
inline Operand inout(const at::Tensor& t) { return {t, Access::inout}; }  ///< read, then written

/// The operands of one chunk, in the order of the call: `x[i]` is `n` packed values of type C. Chunks of different
/// operands never overlap unless their tensors do, so a body may bind `C* __restrict` pointers.
template <class C>
struct Chunk {
  using scalar = C;
  std::array<C*, kMaxOperands> rows{};
  C* operator[](std::size_t i) const { return rows[i]; }
};

namespace detail {

/// A borrowed call of a body for one compute type; lives as long as the call of pointwise.
template <class C>
struct BodyRef {
  void* object;
  void (*call)(void* object, const Chunk<C>& chunk, std::int64_t n);
  void operator()(const Chunk<C>& chunk, std::int64_t n) const { call(object, chunk, n); }
};

/// The engine, compiled once for each compute type in pointwise.cpp.
void pointwise_float(std::span<const Operand> operands, BodyRef<float> body);
void pointwise_double(std::span<const Operand> operands, BodyRef<double> body);
[[noreturn]] void refuse_compute_type(at::ScalarType type);

template <class C, class Body>
BodyRef<C> body_ref(Body& body) {
  return {const_cast<void*>(static_cast<const void*>(&body)),
          [](void* object, const Chunk<C>& chunk, std::int64_t n) { (*static_cast<Body*>(object))(chunk, n); }};
}

}  // namespace detail

/// Calls `body(Chunk<C>, n)` until every element has been seen once; chunks run on ATen's intra-op threads, so the body
/// must be safe to call concurrently. C is float for at::kFloat and double for at::kDouble.
/// Operands: 1 to 8 CPU tensors, float32, float64, bfloat16 or float16 in any mix, of equal sizes, any strides
/// (an `in` operand may be expanded; an `out` or `inout` operand may not). Other dtypes than C are converted when read
/// and rounded to nearest even once when written. Zero elements: the body is not called. Two operands may be the same
/// tensor only if all of them are `in`; overlapping views give unspecified values. Throws std::invalid_argument (naming
/// the operand's index) on undefined tensors, unequal sizes, other dtypes or devices, and expanded outputs; nothing is
/// written then. What a body throws is passed on.
template <class Body>
void pointwise(at::ScalarType compute, std::span<const Operand> operands, Body&& body) {
  if (compute == at::ScalarType::Float) {
    detail::pointwise_float(operands, detail::body_ref<float>(body));
  } else if (compute == at::ScalarType::Double) {
    detail::pointwise_double(operands, detail::body_ref<double>(body));
  } else {
    detail::refuse_compute_type(compute);
  }
}

template <class Body>
void pointwise(at::ScalarType compute, std::initializer_list<Operand> operands, Body&& body) {
  pointwise(compute, std::span<const Operand>(operands.begin(), operands.size()), static_cast<Body&&>(body));
}

/// The compute type for a tensor that decides: double for float64, else float.
inline at::ScalarType compute_type(const at::Tensor& t) {
  return t.scalar_type() == at::ScalarType::Double ? at::ScalarType::Double : at::ScalarType::Float;
}

}  // namespace switchyard::kernels
