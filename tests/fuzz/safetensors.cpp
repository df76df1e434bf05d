// A safetensors file's first bytes: a header whose ranges cover the data exactly, or findings; what is written reads
// back. The last 8 bytes say how much data follows, so that good headers need no data.
#include "core/safetensors.h"

#include <algorithm>

#include "rules/manifest_safetensors.h"
#include "tests/fuzz/fuzz.h"

namespace switchyard::fuzz {

namespace {

void check_cover(const SafetensorsHeader& header, std::int64_t data_size) {
  std::int64_t at = 0;
  for (const auto& entry : header.entries) {
    require(entry.begin == at && entry.end >= entry.begin, "ranges follow each other");
    require(header.find(entry.name) == &entry, "names are unique");
    at = entry.end;
  }
  require(at == data_size, "ranges cover the data");
}

void check_round_trip(const SafetensorsHeader& header) {
  const auto entries = lay_out_safetensors(header.entries);
  const auto text = make_safetensors_header(entries, header.metadata);
  Diagnostics diagnostics;
  const auto bytes = entries.empty() ? 0 : entries.back().end;
  const auto size = static_cast<std::int64_t>(text.size()) + bytes;
  require(size >= 0, "a file's size is counted in 63 bits");
  const auto again = parse_safetensors_header(text, size, "out", diagnostics);
  require(again.has_value() && diagnostics.empty(), "what is written is read");
  require(again->metadata == header.metadata && again->entries.size() == entries.size(), "nothing is lost");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& a = entries[i];
    const auto& b = again->entries[i];
    require(a.dtype == b.dtype && a.bytes() == b.bytes(), "what is written reads back equal");
    // Tensors without bytes all start at one place, in no order of their own.
    require(a.bytes() == 0 || (a.name == b.name && a.shape == b.shape), "what is written reads back equal");
  }
}

}  // namespace

void fuzz_safetensors(std::string_view input) {
  std::int64_t data_size = 0;
  if (input.size() >= 8) {
    std::uint64_t tail = 0;
    for (std::size_t i = input.size() - 8; i < input.size(); ++i)
      tail = tail << 8 | static_cast<unsigned char>(input[i]);
    input.remove_suffix(8);
    // Not more than a file can have behind this header.
    data_size = static_cast<std::int64_t>(tail >> 1) - static_cast<std::int64_t>(input.size());
    data_size = std::max<std::int64_t>(data_size, 0);
  }
  const auto file_size = static_cast<std::int64_t>(input.size()) + data_size;
  Diagnostics diagnostics;
  const auto header = parse_safetensors_header(input, file_size, "in", diagnostics);
  require(header.has_value() != diagnostics.has_errors(), "a header or a finding");
  require(diagnostics.empty() || !render(diagnostics, {}).empty(), "findings are rendered");
  if (!header) return;
  check_cover(*header, file_size - header->data_start);
  const auto parameters = parameters_of(*header);
  require(parameters.size() == header->entries.size(), "nothing is skipped");
  check_round_trip(*header);
}

}  // namespace switchyard::fuzz
