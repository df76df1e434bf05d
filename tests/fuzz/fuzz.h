#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "core/diagnostics.h"

/// Targets of the fuzzers: each takes any bytes, and throws std::logic_error where a promise is broken. The preset
/// `fuzz` makes a libFuzzer program of each; tests/rules/corpora_test.cpp runs them all over tests/corpora.
namespace switchyard::fuzz {

void fuzz_json(std::string_view input);
void fuzz_manifest(std::string_view input);
void fuzz_pattern(std::string_view input);
void fuzz_safetensors(std::string_view input);
void fuzz_spec(std::string_view input);
void fuzz_torch(std::string_view input);
void fuzz_where(std::string_view input);

inline void require(bool holds, const std::string& promise) {
  if (!holds) throw std::logic_error("broken promise: " + promise);
}

/// Every finding has a code, says something, and stands inside the text; the lot can be rendered.
inline void require_good(const Diagnostics& diagnostics, std::string_view text, const std::string& file) {
  for (const auto& item : diagnostics.items()) {
    require(item.code.substr(0, 4) == "SWY-", "a finding has a code");
    require(!item.message.empty(), item.code + " says something");
    const auto inside = [&](const Span& span) {
      return span.file != file || (span.offset <= text.size() && span.length <= text.size() - span.offset);
    };
    require(inside(item.place.span), item.code + " stands inside the text");
    for (const auto& related : item.related) require(inside(related.place.span), item.code + " points into the text");
  }
  require(diagnostics.empty() || !render(diagnostics, {{file, std::string(text)}}).empty(), "findings are rendered");
}

}  // namespace switchyard::fuzz
