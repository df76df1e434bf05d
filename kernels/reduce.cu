#include "kernels/reduce_cuda.h"

// CPU reference: kernels/reduce.cpp. Sums here are float64 in a fixed order, not exact: element i goes to block
// (i / kThreads) mod kBlocks whatever the device, then two trees of fixed shape.

namespace switchyard::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__device__ float widen(float x) { return x; }
__device__ float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ float widen(__half x) { return __half2float(x); }

/// Largest of two magnitudes; a NaN on either side wins (fmaxf drops it).
__device__ float larger(float a, float b) { return (a != a || a > b) ? a : b; }

__device__ Reduction combine(const Reduction& a, const Reduction& b) {
  return {a.sum_of_squares + b.sum_of_squares, larger(a.max_abs, b.max_abs), a.finite & b.finite};
}

/// Tree over the threads of a block; the result is thread 0's.
template <int kCount>
__device__ Reduction block_tree(Reduction mine) {
  __shared__ Reduction shared[kCount];
  shared[threadIdx.x] = mine;
  for (int half = kCount / 2; half > 0; half /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half)
      shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + half]);
  }
  __syncthreads();
  return shared[0];
}

template <class T>
__global__ void partial_sums(const T* values, std::int64_t n, Reduction* partial) {
  Reduction mine{0.0, 0.0F, 1};
  const std::int64_t stride = static_cast<std::int64_t>(kBlocks) * kThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    const float x = widen(values[i]);
    const double wide = x;
    mine.sum_of_squares = __dadd_rn(mine.sum_of_squares, __dmul_rn(wide, wide));
    mine.max_abs = larger(fabsf(x), mine.max_abs);
    mine.finite &= (__float_as_uint(x) & 0x7f800000U) != 0x7f800000U ? 1 : 0;
  }
  const Reduction total = block_tree<kThreads>(mine);
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

__global__ void last_sum(const Reduction* partial, Reduction* result) {
  const Reduction total = block_tree<kBlocks>(partial[threadIdx.x]);
  if (threadIdx.x == 0) *result = total;
}

template <class T>
cudaError_t launch(const T* values, std::int64_t n, Reduction* result, void* scratch, cudaStream_t stream) {
  if (n < 0 || (values == nullptr && n > 0) || result == nullptr || scratch == nullptr) return cudaErrorInvalidValue;
  auto* partial = static_cast<Reduction*>(scratch);
  partial_sums<<<kBlocks, kThreads, 0, stream>>>(values, n, partial);
  last_sum<<<1, kBlocks, 0, stream>>>(partial, result);
  return cudaGetLastError();
}

}  // namespace

std::size_t reduce_scratch_bytes() { return sizeof(Reduction) * kBlocks; }

cudaError_t reduce(const float* values, std::int64_t n, Reduction* result, void* scratch, cudaStream_t stream) {
  return launch(values, n, result, scratch, stream);
}
cudaError_t reduce(const __nv_bfloat16* values, std::int64_t n, Reduction* result, void* scratch, cudaStream_t stream) {
  return launch(values, n, result, scratch, stream);
}
cudaError_t reduce(const __half* values, std::int64_t n, Reduction* result, void* scratch, cudaStream_t stream) {
  return launch(values, n, result, scratch, stream);
}

int device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

}  // namespace switchyard::kernels::cuda
