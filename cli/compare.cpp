#include "cli/compare.h"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>

#include "cli/files.h"
#include "rules/lock.h"
#include "rules/plan_diff.h"

namespace switchyard::cli {

ComparedFile read_compared(const std::string& path, Sources& sources, Diagnostics& diagnostics) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  const auto file = folder ? (std::filesystem::path(path) / "index.json").string() : path;
  ComparedFile out;
  out.shown = shown_path(file);
  Diagnostics found;
  auto read = read_file(file, found);
  out.unreadable = read.unreadable;
  for (auto item : found.items()) {
    if (folder) item.help = "a folder must be a checkpoint, which holds index.json";
    diagnostics.add(item.severity, item.code, item.message) = item;
  }
  if (read.text) sources[out.shown] = *read.text;
  out.text = std::move(read.text);
  return out;
}

PlanDocument document_of(const Plan& plan, const Registry& registry, const std::string& shown) {
  Diagnostics diagnostics;
  auto document = plan_document_of(lock_json(plan, registry), shown, diagnostics);
  if (!document) throw std::logic_error("a plan that its own reader refuses: " + render(diagnostics, {}));
  return std::move(*document);
}

Report comparison(const PlanDocument& a, const PlanDocument& b, Format format, const Diagnostics& diagnostics,
                  const Sources& sources, const std::optional<std::vector<SpecDifference>>& specs) {
  const auto diff = compare_plans(a, b);
  Report report;
  report.exit = diff.same() ? fine : differs;
  if (format == Format::json) {
    auto json = plan_diff_json(diff);
    json.set("spec", specs ? spec_diff_json(*specs, sources) : Json::null());
    json.set("diagnostics", diagnostics_json(diagnostics, sources));
    report.out = document(json);
  } else {
    report.err = diagnostics_text(diagnostics, sources);
    report.out = plan_diff_text(diff);
    if (specs && !specs->empty()) report.out += "\nspec\n" + spec_diff_text(*specs, sources);
  }
  return report;
}

}  // namespace switchyard::cli
