// A manifest: a table or findings; what is written reads back as the same table.
#include "rules/manifest.h"

#include "tests/fuzz/fuzz.h"

namespace switchyard::fuzz {

void fuzz_manifest(std::string_view input) {
  Diagnostics diagnostics;
  const auto manifest = read_manifest(input, "in.json", diagnostics);
  require_good(diagnostics, input, "in.json");
  require(manifest.has_value() != diagnostics.has_errors(), "a model or a finding");
  if (!manifest) return;
  for (const auto& info : manifest->table.parameters()) {
    require(!info.names.empty(), "a parameter has a name");
    require(info.numel() >= 0, "elements are counted in 63 bits");
    for (const auto& name : info.names)
      require(manifest->table.find(name) == &info, "a parameter is found by any name");
    require(info.key() <= info.name(), "the key is the smallest name");
  }
  const auto json = manifest_json(manifest->table, manifest->model, manifest->source);
  const auto text = dump_json(json, 1);
  Diagnostics none;
  const auto again = read_manifest(text, "out.json", none);
  require(again.has_value(), "what is written is read: " + text);
  require(dump_json(manifest_json(again->table, again->model, again->source)) == dump_json(json),
          "what is written reads back as the same table");
}

}  // namespace switchyard::fuzz
