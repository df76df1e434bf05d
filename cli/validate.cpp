#include <fmt/format.h>

#include "cli/files.h"
#include "cli/verbs.h"
#include "rules/spec.h"
#include "rules/text_table.h"

namespace switchyard::cli {

Report validate(const std::vector<std::string>& specs, Format format, const Registry& registry) {
  Report report;
  Sources sources;
  Diagnostics all;
  auto files = Json::array();
  bool unreadable = false;
  for (const auto& path : specs) {
    const auto file = shown_path(path);
    Diagnostics diagnostics;
    const auto read = read_file(path, diagnostics);
    unreadable = unreadable || read.unreadable;
    std::optional<Spec> spec;
    if (read.text) spec = parse_spec(sources[file] = *read.text, file, registry, diagnostics, spec_files(sources));
    if (spec) {
      report.out += fmt::format("{}: valid, {}, {}, {}\n", file,
                                counted(static_cast<long long>(spec->optimizers.size()), "optimizer"),
                                counted(static_cast<long long>(spec->rules.size()), "rule"),
                                counted(static_cast<long long>(spec->overrides.size()), "override"));
    }
    auto row = Json::object();
    row.set("file", file);
    row.set("valid", Json::boolean(spec.has_value()));
    files.push(std::move(row));
    all.append(diagnostics);
  }
  report.exit = unreadable ? usage : all.has_errors() ? wrong_input : fine;
  if (format == Format::json) {
    auto json = Json::object();
    json.set("switchyard_validate", Json::integer(1));
    json.set("files", std::move(files));
    json.set("diagnostics", diagnostics_json(all, sources));
    report.out = document(json);
  } else {
    report.err = diagnostics_text(all, sources);
  }
  return report;
}

}  // namespace switchyard::cli
