#pragma once

#include <c10/core/ScalarType.h>

#include <string>

namespace switchyard {

/// The name of a dtype in every message: torch's in Python, without "torch.": "float32", "int64", "float8_e4m3fn".
inline std::string dtype_text(at::ScalarType type) { return c10::getDtypeNames(type).first; }

}  // namespace switchyard
