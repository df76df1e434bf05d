#include "rules/schema.h"

#include <fmt/format.h>

#include <set>
#include <utility>
#include <vector>

#include "cli/files.h"
#include "cli/verbs.h"
#include "rules/plugins_json.h"
#include "rules/reader.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

/// The plugins of this build, without loaded ones: what is committed knows only them.
Registry built_in(const Registry& registry) {
  Registry out;
  for (const auto& descriptor : registry.optimizers()) {
    if (descriptor.loaded_from.empty()) out.add(descriptor);
  }
  return out;
}

/// "Made by ... with the plugins of FILE, FILE."
std::string origin(const Registry& registry) {
  std::set<std::string> files;
  for (const auto& descriptor : registry.optimizers()) {
    if (!descriptor.loaded_from.empty()) files.insert(descriptor.loaded_from);
  }
  return fmt::format("Made by `switchyard schema --merged` with the plugins of this build{}{}.",
                     files.empty() ? "" : " and of ", listed({files.begin(), files.end()}));
}

/// Every generated file, by name.
std::vector<std::pair<std::string, std::string>> generated_files(const Registry& registry) {
  std::vector<std::pair<std::string, std::string>> files = {{plugins_file(), generated_text(plugins_json(registry))}};
  for (const auto& document : schema_documents())
    files.emplace_back(schema_file(document), generated_text(document.make(registry, "")));
  for (const auto& descriptor : registry.optimizers()) {
    files.emplace_back(options_schema_file(descriptor.name), generated_text(options_schema(descriptor)));
  }
  return files;
}

Report written(const std::string& folder, Format format, const Registry& registry) {
  Report report;
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

const SchemaDocument& document_called(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& known : schema_documents()) {
    if (known.name == name) return known;
    names.push_back(known.name);
  }
  const auto near = nearest(name, names);
  throw UsageError(
      fmt::format("there is no schema of `{}`; {}", printable(name),
                  near.empty() ? fmt::format("the documents are {}", listed(names)) : "did you mean `" + near + "`?"));
}

}  // namespace

Report schema(const SchemaRequest& request, Format format, const Registry& registry) {
  const auto own = built_in(registry);
  const bool loaded = own.optimizers().size() != registry.optimizers().size();
  if (loaded && !request.merged && request.plugin.empty())
    throw UsageError("--plugins changes no schema by itself: add --merged, or --plugin NAME");
  if (!request.folder.empty()) return written(request.folder, format, own);
  Report report;
  if (request.plugin.empty()) {
    const auto& document = document_called(request.document.empty() ? "spec" : request.document);
    report.out = generated_text(request.merged ? document.make(registry, origin(registry)) : document.make(own, ""));
    return report;
  }
  const auto* descriptor = registry.find(request.plugin);
  if (descriptor == nullptr) {
    const auto near = nearest(request.plugin, registry.names());
    throw UsageError(fmt::format("there is no plugin `{}`{}", printable(request.plugin),
                                 near.empty() ? "" : "; did you mean `" + near + "`?"));
  }
  report.out = generated_text(options_schema(*descriptor));
  return report;
}

}  // namespace switchyard::cli
