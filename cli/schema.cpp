#include "rules/schema.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "cli/files.h"
#include "cli/verbs.h"
#include "rules/plugins_json.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

/// Every generated file, by name.
std::vector<std::pair<std::string, std::string>> generated_files(const Registry& registry) {
  std::vector<std::pair<std::string, std::string>> files = {{spec_schema_file(), generated_text(spec_schema(registry))},
                                                            {plugins_file(), generated_text(plugins_json(registry))}};
  for (const auto& descriptor : registry.optimizers()) {
    files.emplace_back(options_schema_file(descriptor.name), generated_text(options_schema(descriptor)));
  }
  return files;
}

}  // namespace

Report schema(const std::string& plugin, const std::string& folder, Format format, const Registry& registry) {
  Report report;
  if (!folder.empty()) {
    auto names = Json::array();
    for (const auto& [name, text] : generated_files(registry)) {
      write_whole(folder + "/" + name, text);
      report.out += name + "\n";
      names.push(Json::string(name));
    }
    if (format == Format::json) {
      auto json = Json::object();
      json.set("switchyard_schema_files", std::move(names));
      report.out = document(json);
    }
    return report;
  }
  if (plugin.empty()) {
    report.out = generated_text(spec_schema(registry));
    return report;
  }
  const auto* descriptor = registry.find(plugin);
  if (descriptor == nullptr) {
    const auto near = nearest(plugin, registry.names());
    throw UsageError(fmt::format("there is no plugin `{}`{}", printable(plugin),
                                 near.empty() ? "" : "; did you mean `" + near + "`?"));
  }
  report.out = generated_text(options_schema(*descriptor));
  return report;
}

}  // namespace switchyard::cli
