#pragma once
/// Reductions over one contiguous device array, without LibTorch and without host synchronisation. Every function only
/// enqueues work on `stream`; results are device memory of the caller.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace switchyard::kernels::cuda {

/// What one pass over the data leaves on the device.
struct Reduction {
  double sum_of_squares;  ///< float64; a fixed order that depends on n alone (kBlocks partial sums), not exact
  float max_abs;          ///< NaN if any element is NaN
  std::int32_t finite;    ///< 1 if no element is infinite or NaN
};

inline constexpr int kBlocks = 512;  ///< partial sums; fixed, so that the bits do not depend on the device's size

/// Bytes of device scratch that `reduce` needs, for any n.
[[nodiscard]] std::size_t reduce_scratch_bytes();

/// *result <- the reduction of values[0 .. n). scratch: reduce_scratch_bytes() device bytes, 16-byte aligned, not
/// shared by calls that may overlap. n may be 0: {0, 0, 1}. Same bits for the same values and n on any device. Returns
/// the launch error (cudaErrorInvalidValue on n < 0 or a null pointer); errors of the run itself surface at the
/// caller's next synchronisation.
cudaError_t reduce(const float* values, std::int64_t n, Reduction* result, void* scratch, cudaStream_t stream);
cudaError_t reduce(const __nv_bfloat16* values, std::int64_t n, Reduction* result, void* scratch, cudaStream_t stream);
cudaError_t reduce(const __half* values, std::int64_t n, Reduction* result, void* scratch, cudaStream_t stream);

/// Number of usable devices; 0 without a driver (never an error).
[[nodiscard]] int device_count();

}  // namespace switchyard::kernels::cuda
