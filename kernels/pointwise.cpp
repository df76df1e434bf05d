#include "kernels/pointwise.h"

#include "kernels/denormals.h"

#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace switchyard::kernels::detail {
namespace {

constexpr std::int64_t kGrain = 16 * kChunkElements;

[[noreturn]] void refuse(std::size_t index, const std::string& why) {
  throw std::invalid_argument("pointwise: operand " + std::to_string(index) + " " + why);
}

void check(std::span<const Operand> operands) {
  if (operands.empty() || operands.size() > kMaxOperands) {
    throw std::invalid_argument("pointwise: takes 1 to " + std::to_string(kMaxOperands) + " operands, got " +
                                std::to_string(operands.size()));
  }
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const at::Tensor& t = operands[i].tensor;
    if (!t.defined()) refuse(i, "is undefined");
    if (!t.device().is_cpu() || t.layout() != at::kStrided) refuse(i, "is not a strided CPU tensor");
    switch (t.scalar_type()) {
      case at::ScalarType::Float:
      case at::ScalarType::Double:
      case at::ScalarType::BFloat16:
      case at::ScalarType::Half:
        break;
      default:
        refuse(i, std::string("has dtype ") + at::toString(t.scalar_type()) + ", not a floating type of ours");
    }
    if (t.sizes() != operands[0].tensor.sizes()) refuse(i, "has another shape than operand 0");
    if (operands[i].access == Access::in) continue;
    for (std::int64_t d = 0; d < t.dim(); ++d) {
      if (t.size(d) > 1 && t.stride(d) == 0) refuse(i, "is written but expanded (stride 0)");
    }
  }
}

/// The iteration space: dimensions ordered by the first written operand's strides, neighbours merged where all operands
/// allow it. The order is free because bodies are position-free.
struct Space {
  std::vector<std::int64_t> sizes;                 // outermost first
  std::vector<std::vector<std::int64_t>> strides;  // [operand][dimension]
};

Space collapse(std::span<const Operand> operands) {
  const auto lead_it =
      std::find_if(operands.begin(), operands.end(), [](const Operand& o) { return o.access != Access::in; });
  const at::Tensor& lead = lead_it == operands.end() ? operands[0].tensor : lead_it->tensor;
  std::vector<std::int64_t> order;
  for (std::int64_t d = 0; d < lead.dim(); ++d) {
    if (lead.size(d) != 1) order.push_back(d);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return lead.stride(a) > lead.stride(b); });
  Space space;
  space.strides.resize(operands.size());
  for (const std::int64_t d : order) {
    const bool merges = !space.sizes.empty() && [&] {
      for (std::size_t i = 0; i < operands.size(); ++i) {
        if (space.strides[i].back() != operands[i].tensor.stride(d) * lead.size(d)) return false;
      }
      return true;
    }();
    if (merges) {
      space.sizes.back() *= lead.size(d);
    } else {
      space.sizes.push_back(lead.size(d));
    }
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (!merges) space.strides[i].push_back(0);
      space.strides[i].back() = operands[i].tensor.stride(d);
    }
  }
  if (space.sizes.empty()) {  // a scalar, or all sizes 1
    space.sizes.push_back(1);
    for (auto& s : space.strides) s.push_back(1);
  }
  return space;
}

/// Rounds to nearest even once, also from double to the half types: through a float that is rounded to odd.
template <class To, class From>
To round_to(From x) {
  if constexpr (sizeof(To) == 2 && sizeof(From) == 8) {
    float f = static_cast<float>(x);
    if (std::isfinite(f) && static_cast<double>(f) != x) {
      if (std::abs(static_cast<double>(f)) > std::abs(x)) f = std::nextafter(f, 0.0F);
      f = std::bit_cast<float>(std::bit_cast<std::uint32_t>(f) | 1U);
    }
    return static_cast<To>(f);
  } else {
    return static_cast<To>(x);
  }
}

template <class C, class T>
void gather_run(const T* from, std::int64_t stride, C* to, std::int64_t n) {
  if (stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<C>(from[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<C>(from[i * stride]);
  }
}

template <class C, class T>
void scatter_run(const C* from, T* to, std::int64_t stride, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i * stride] = round_to<T>(from[i]);
}

template <class F>
void with_type(at::ScalarType type, F&& f) {
  switch (type) {
    case at::ScalarType::Float:
      return f(float{});
    case at::ScalarType::Double:
      return f(double{});
    case at::ScalarType::BFloat16:
      return f(c10::BFloat16{});
    default:
      return f(c10::Half{});
  }
}

/// One operand's side of the walk over [begin, begin + n) of the space.
struct Side {
  std::byte* data;
  at::ScalarType type;
  std::int64_t item;
  const std::vector<std::int64_t>* strides;

  /// Calls run(element offset, inner stride, position in the chunk, length) for each stretch of the innermost
  /// dimension.
  template <class Run>
  void runs(const std::vector<std::int64_t>& sizes, std::int64_t begin, std::int64_t n, Run&& run) const {
    const std::int64_t inner = sizes.back();
    for (std::int64_t done = 0; done < n;) {
      std::int64_t row = (begin + done) / inner;
      const std::int64_t column = (begin + done) % inner;
      const std::int64_t length = std::min(inner - column, n - done);
      std::int64_t offset = column * strides->back();
      for (std::size_t d = sizes.size() - 1; d-- > 0;) {
        offset += (row % sizes[d]) * (*strides)[d];
        row /= sizes[d];
      }
      run(offset, strides->back(), done, length);
      done += length;
    }
  }
};

template <class C>
void engine(std::span<const Operand> operands, BodyRef<C> body) {
  check(operands);
  const std::int64_t numel = operands[0].tensor.numel();
  if (numel == 0) return;
  constexpr auto kCompute = std::is_same_v<C, float> ? at::ScalarType::Float : at::ScalarType::Double;
  const Space space = collapse(operands);
  std::array<Side, kMaxOperands> sides{};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const at::Tensor& t = operands[i].tensor;
    // const_data_ptr: operands are read or written through raw memory; version counters and copy-on-write are the
    // caller's.
    void* data = operands[i].access == Access::in ? const_cast<void*>(t.const_data_ptr()) : t.mutable_data_ptr();
    sides[i] = {static_cast<std::byte*>(data), t.scalar_type(), static_cast<std::int64_t>(t.element_size()),
                &space.strides[i]};
  }
  const std::int64_t chunks = (numel + kChunkElements - 1) / kChunkElements;
  at::parallel_for(0, chunks, kGrain / kChunkElements, [&](std::int64_t first, std::int64_t last) {
    const KeepDenormals keep;
    alignas(64) C buffers[kMaxOperands][kChunkElements];
    for (std::int64_t k = first; k < last; ++k) {
      const std::int64_t begin = k * kChunkElements;
      const std::int64_t n = std::min(kChunkElements, numel - begin);
      const bool one_run = begin % space.sizes.back() + n <= space.sizes.back();
      Chunk<C> chunk;
      std::array<bool, kMaxOperands> direct{};
      for (std::size_t i = 0; i < operands.size(); ++i) {
        const Side& side = sides[i];
        direct[i] = one_run && side.type == kCompute && (side.strides->back() == 1 || n == 1);
        if (direct[i]) {
          side.runs(space.sizes, begin, n, [&](std::int64_t offset, auto, auto, auto) {
            chunk.rows[i] = reinterpret_cast<C*>(side.data) + offset;
          });
          continue;
        }
        chunk.rows[i] = buffers[i];
        if (operands[i].access == Access::out) continue;
        with_type(side.type, [&]<class T>(T) {
          side.runs(space.sizes, begin, n,
                    [&](std::int64_t offset, std::int64_t stride, std::int64_t at, std::int64_t length) {
                      gather_run(reinterpret_cast<const T*>(side.data) + offset, stride, buffers[i] + at, length);
                    });
        });
      }
      body(chunk, n);
      for (std::size_t i = 0; i < operands.size(); ++i) {
        if (direct[i] || operands[i].access == Access::in) continue;
        const Side& side = sides[i];
        with_type(side.type, [&]<class T>(T) {
          side.runs(space.sizes, begin, n,
                    [&](std::int64_t offset, std::int64_t stride, std::int64_t at, std::int64_t length) {
                      scatter_run(buffers[i] + at, reinterpret_cast<T*>(side.data) + offset, stride, length);
                    });
        });
      }
    }
  });
}

}  // namespace

void pointwise_float(std::span<const Operand> operands, BodyRef<float> body) { engine<float>(operands, body); }
void pointwise_double(std::span<const Operand> operands, BodyRef<double> body) { engine<double>(operands, body); }

void refuse_compute_type(at::ScalarType type) {
  throw std::invalid_argument(std::string("pointwise: the compute type is Float or Double, got ") + at::toString(type));
}

}  // namespace switchyard::kernels::detail
