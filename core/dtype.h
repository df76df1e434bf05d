#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard {

/// Element types by torch's names. `other` is any type that no plugin trains (integers, bool, complex, float8,
/// quantized).
enum class Dtype : std::uint8_t { float32, float64, bfloat16, float16, other };

/// "float32", "float64", "bfloat16", "float16", "other".
std::string_view to_string(Dtype dtype);
/// torch's name, also with a leading "torch."; anything else is `other`.
Dtype dtype_from_string(std::string_view name);
/// Bytes per element; 0 for `other`.
std::int64_t size_of(Dtype dtype);
/// False for the whole-number and boolean types of torch, which cannot require a gradient: counters, masks.
bool can_require_grad(std::string_view name);
/// True for the four floating types that can be trained.
inline bool trainable(Dtype dtype) { return dtype != Dtype::other; }
/// The type of state and work for a parameter of this type: float64 for float64, float32 otherwise.
inline Dtype work_dtype(Dtype dtype) { return dtype == Dtype::float64 ? Dtype::float64 : Dtype::float32; }

}  // namespace switchyard
