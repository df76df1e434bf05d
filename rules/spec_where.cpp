#include <fmt/format.h>

#include "rules/spec_reader.h"

namespace switchyard {

std::shared_ptr<const Where> read_where(SpecDraft& draft, const Node& where) {
  auto& read = draft.read;
  const auto text = read.text(where, "`where`");
  if (!text) return nullptr;
  WhereError error;
  const auto variable = [&](std::string_view name) -> std::optional<double> {
    const auto* found = read.variables() == nullptr ? nullptr : read.variables()->find(name);
    if (found == nullptr) return std::nullopt;
    found->used = true;
    if (!found->value.is_number()) return std::nullopt;
    return found->value.as_double();
  };
  auto out = Where::compile(*text, variable, error);
  if (!out) {
    auto& finding = read.error(text->empty() ? "SWY-1019" : "SWY-1152", "`where`: " + error.message,
                               text->empty() ? where.place() : read.inside(where, error.offset, error.length));
    finding.label = "here";
    finding.help = error.help;
  } else if (out->looks_at_layers() && !draft.has_layers) {
    read.error("SWY-1156", "`where` asks for a layer, but the spec has no `layers`", where.place()).help =
        "add \"layers\": {\"index\": \"model.layers.{i:int}.**\", \"count\": ...}";
  }
  return out;
}

}  // namespace switchyard
