#include "cli/report.h"

#include <fmt/format.h>

#include "core/plan.h"
#include "rules/text_table.h"

namespace switchyard::cli {

std::string document(const Json& value) { return dump_json(value, 2) + "\n"; }

Json diagnostics_json(const Diagnostics& diagnostics, const Sources& sources) {
  auto list = Json::array();
  for (const auto& diagnostic : diagnostics.items()) list.push(to_json(diagnostic, sources));
  return list;
}

std::string diagnostics_text(const Diagnostics& diagnostics, const Sources& sources) {
  auto out = render(diagnostics, sources);
  const auto errors = diagnostics.count(Severity::error);
  if (errors > 0) out += fmt::format("\n{}\n", counted(static_cast<long long>(errors), "error"));
  return out;
}

Json error_document(const Diagnostics& diagnostics, const Sources& sources) {
  auto json = Json::object();
  json.set("switchyard_error", Json::integer(1));
  json.set("diagnostics", diagnostics_json(diagnostics, sources));
  return json;
}

Report failure(int exit, const std::string& code, const std::string& message, Format format) {
  Report report;
  report.exit = exit;
  report.err = fmt::format("switchyard: {}\n", message);
  if (format == Format::json) {
    Diagnostics diagnostics;
    diagnostics.error(code, message);
    report.out = document(error_document(diagnostics, {}));
  }
  return report;
}

}  // namespace switchyard::cli
