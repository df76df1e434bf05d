#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/parameter_table.h"
#include "core/safetensors.h"

namespace switchyard {

/// The tensors of a safetensors file as parameters, in the order of their data; nothing is skipped. dtypes get torch's
/// names (F32 is float32); ties, modules and requires_grad are not in such a file, so every tensor is its own, and
/// trainable unless it holds whole numbers or booleans.
std::vector<ParameterInfo> parameters_of(const SafetensorsHeader& header);

/// torch's name of one of the format's dtypes ("BF16" is "bfloat16"); the lower-cased name for those that torch does
/// not have.
std::string torch_dtype_name(std::string_view safetensors_dtype);

}  // namespace switchyard
