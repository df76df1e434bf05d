// A file that torch saved: parameters or findings, and what is read makes a manifest that reads back. The same bytes
// are also a pickle and a deflated record by themselves, which a fuzzer does not easily find inside a zip archive.
#include "rules/inflate.h"
#include "rules/manifest.h"
#include "rules/manifest_torch.h"
#include "rules/pickle.h"
#include "tests/fuzz/fuzz.h"

namespace switchyard::fuzz {

void fuzz_torch(std::string_view input) {
  constexpr std::size_t most = 1 << 16;
  const auto text = inflate(input, most);
  require(!text || text->size() == most, "a record has the size that was asked for");
  Diagnostics of_pickle;
  const auto pickle = read_pickle(input, "in", of_pickle);
  require(pickle.has_value() != of_pickle.has_errors(), "a pickle or a finding");
  if (pickle) {
    for (const auto& value : pickle->values) {
      for (const auto item : value.items) require(item < pickle->values.size(), "values refer to values");
    }
  }
  const std::string bytes(input);
  const ByteSource source{
      static_cast<std::int64_t>(bytes.size()), [&](std::int64_t offset, std::int64_t length) {
        require(offset >= 0 && length >= 0 && offset + length <= static_cast<std::int64_t>(bytes.size()),
                "reads stay inside the file");
        return bytes.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
      }};
  Diagnostics diagnostics;
  const auto file = read_torch_file(source, "in", diagnostics);
  require(file.has_value() != diagnostics.has_errors(), "a model or a finding");
  if (!file) return;
  const auto table = ParameterTable::build(file->parameters, diagnostics);
  if (diagnostics.has_errors()) return;
  Diagnostics none;
  const auto again = read_manifest(dump_json(manifest_json(table, "m", file->kind)), "out.json", none);
  require(again.has_value(), "what is read makes a manifest: " + render(none, {}));
  require(again->table.size() == table.size(), "nothing is lost");
}

}  // namespace switchyard::fuzz
