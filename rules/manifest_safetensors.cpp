#include "rules/manifest_safetensors.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace switchyard {

std::string torch_dtype_name(std::string_view safetensors_dtype) {
  constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"BOOL", "bool"},
      {"U8", "uint8"},
      {"I8", "int8"},
      {"F8_E5M2", "float8_e5m2"},
      {"F8_E4M3", "float8_e4m3fn"},
      {"F8_E8M0", "float8_e8m0fnu"},
      {"F8_E4M3FNUZ", "float8_e4m3fnuz"},
      {"F8_E5M2FNUZ", "float8_e5m2fnuz"},
      {"F4", "float4_e2m1fn_x2"},
      {"I16", "int16"},
      {"U16", "uint16"},
      {"F16", "float16"},
      {"BF16", "bfloat16"},
      {"I32", "int32"},
      {"U32", "uint32"},
      {"F32", "float32"},
      {"C64", "complex64"},
      {"F64", "float64"},
      {"I64", "int64"},
      {"U64", "uint64"},
  };
  const auto* found =
      std::find_if(std::begin(names), std::end(names), [&](const auto& row) { return row.first == safetensors_dtype; });
  if (found != std::end(names)) return std::string(found->second);
  std::string out(safetensors_dtype);
  for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::vector<ParameterInfo> parameters_of(const SafetensorsHeader& header) {
  std::vector<ParameterInfo> out;
  out.reserve(header.entries.size());
  for (const auto& entry : header.entries) {
    ParameterInfo info;
    info.names = {entry.name};
    info.shape = entry.shape;
    info.dtype_name = torch_dtype_name(entry.dtype);
    info.dtype = dtype_from_string(info.dtype_name);
    info.requires_grad = can_require_grad(info.dtype_name);
    out.push_back(std::move(info));
  }
  return out;
}

}  // namespace switchyard
