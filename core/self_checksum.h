#pragma once

#include <string>

#include "core/diagnostics.h"

namespace switchyard {

/// What stands in the place of a document's own SHA-256 while it is computed: 64 zeros.
const std::string& blank_checksum();

/// The SHA-256 of a JSON text that holds it: of the text with zeros in its place. `place` is the value, a string of 64
/// digits with its quotes; "" if it cannot be that.
std::string self_checksum(std::string text, const Span& place);

}  // namespace switchyard
