#pragma once

#include <string>
#include <string_view>

namespace switchyard {

/// SHA-256 (FIPS 180-4) of a text as 64 lower-case hex digits.
std::string sha256(std::string_view text);

}  // namespace switchyard
