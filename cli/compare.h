#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/report.h"
#include "core/diagnostics.h"
#include "core/plan.h"
#include "core/registry.h"
#include "rules/plan_document.h"
#include "rules/spec_diff.h"

namespace switchyard::cli {

/// What stands at a path that a comparison names: a file, or the folder of a checkpoint (then its index).
struct ComparedFile {
  std::string shown;
  std::optional<std::string> text;
  bool unreadable = false;
};
ComparedFile read_compared(const std::string& path, Sources& sources, Diagnostics& diagnostics);

/// A plan made here, as a document that holds everything a lock holds.
PlanDocument document_of(const Plan& plan, const Registry& registry, const std::string& shown);

/// What a comparison says: exit 0 or 3, the list of differences as text or as a document with `diagnostics`. `specs`:
/// what two specs say differently, or nothing where one side is no spec; it does not count for the exit status.
Report comparison(const PlanDocument& a, const PlanDocument& b, Format format, const Diagnostics& diagnostics,
                  const Sources& sources, const std::optional<std::vector<SpecDifference>>& specs = {});

}  // namespace switchyard::cli
