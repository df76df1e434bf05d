#include "rules/schema.h"

#include <fmt/format.h>

namespace switchyard {

const std::vector<SchemaDocument>& schema_documents() {
  static const std::vector<SchemaDocument> all = {
      {"spec", "a spec", spec_schema},
      {"plan", "a plan document or a lock", plan_schema},
      {"manifest", "the manifest of a model", [](const Registry&, const std::string&) { return manifest_schema(); }},
      {"metrics", "one line of a file of metrics",
       [](const Registry&, const std::string&) { return metrics_schema(); }},
      {"checkpoint-index", "index.json of a checkpoint", checkpoint_index_schema},
  };
  return all;
}

std::string schema_file(const SchemaDocument& document) {
  return fmt::format("switchyard.{}.v1.schema.json", document.name);
}

std::string options_schema_file(const std::string& plugin) {
  return fmt::format("plugin.{}.options.schema.json", plugin);
}

std::string plugins_file() { return "plugins.json"; }

std::string generated_text(const Json& document) { return dump_json(document, 2) + "\n"; }

}  // namespace switchyard
