/// Proves that kernels/reduce.cu links and, where there is a device, that it computes. Exit 0 without a device.

#include "kernels/reduce_cuda.h"

#include <cmath>
#include <cstdio>
#include <vector>

namespace cuda = switchyard::kernels::cuda;

namespace {

bool ok(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return true;
  std::printf("%s: %s\n", what, cudaGetErrorString(error));
  return false;
}

/// Runs the reduction of `values`; false on a CUDA error.
bool reduce(const std::vector<float>& values, cuda::Reduction& result) {
  float* data = nullptr;
  cuda::Reduction* on_device = nullptr;
  void* scratch = nullptr;
  const bool done =
      ok(cudaMalloc(reinterpret_cast<void**>(&data), values.size() * sizeof(float)), "malloc") &&
      ok(cudaMalloc(reinterpret_cast<void**>(&on_device), sizeof result), "malloc") &&
      ok(cudaMalloc(&scratch, cuda::reduce_scratch_bytes()), "malloc") &&
      ok(cudaMemcpy(data, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice), "copy") &&
      ok(cuda::reduce(data, static_cast<std::int64_t>(values.size()), on_device, scratch, nullptr), "reduce") &&
      ok(cudaMemcpy(&result, on_device, sizeof result, cudaMemcpyDeviceToHost), "copy back");
  cudaFree(data);
  cudaFree(on_device);
  cudaFree(scratch);
  return done;
}

}  // namespace

int main() {
  // Checked before any launch, so it needs no device.
  if (cuda::reduce(static_cast<const float*>(nullptr), -1, nullptr, nullptr, nullptr) != cudaErrorInvalidValue) {
    std::puts("a negative length was accepted");
    return 1;
  }
  if (cuda::device_count() == 0) {
    std::puts("no device");
    return 0;
  }
  std::vector<float> values(1000003);
  double expected = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i % 1024) - 512.0F;  // integers: every order of summation is exact
    expected += static_cast<double>(values[i]) * values[i];
  }
  cuda::Reduction result{};
  if (!reduce(values, result)) return 1;
  bool right = result.sum_of_squares == expected && result.max_abs == 512.0F && result.finite == 1;
  values[777777] = std::nanf("");
  if (!reduce(values, result)) return 1;
  right = right && std::isnan(result.max_abs) && result.finite == 0;
  std::puts(right ? "reduce: right" : "reduce: WRONG");
  return right ? 0 : 1;
}
