#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostics.h"
#include "core/json.h"

namespace switchyard {

/// One parameter as a plan document lists it.
struct DocumentRow {
  std::vector<std::string> names;  ///< the display name first
  std::string shape;               ///< "[768, 2304]"
  std::string dtype;
  std::string rule;
  std::string optimizer;
  std::string plugin;  ///< "" when frozen
  Json blocks;
  Json factors;
  Json settings;  ///< options, and "schedules"

  const std::string& name() const { return names.front(); }
  /// The bytewise smallest name.
  const std::string& key() const;
  bool frozen() const { return plugin.empty(); }
  /// "hidden (muon)", or "freeze".
  std::string user() const;
};

/// A plan as it was written down: a lock, a document of `plan --format json`, or the plan inside the index of a
/// checkpoint. What comparisons read, wherever the plan comes from.
struct PlanDocument {
  std::string shown;  ///< how messages call it: a path
  std::string state_hash;
  std::string plan_hash;
  std::vector<DocumentRow> rows;
  std::map<std::string, std::string> state;  ///< of state_lines(), by key; locks and checkpoints hold them
  std::optional<Json> gradients;             ///< of locks
  bool older = false;  ///< written by a build whose lines of state had another form: its plan hash tells nothing
};

/// What the root of a document says that it is: by its version key.
enum class DocumentKind : unsigned char { unknown, spec, plan, checkpoint, manifest };
DocumentKind document_kind(const Json& root);

/// Reads a plan document. Errors have a place: text that is not JSON (a truncated file) SWY-1001, something else than a
/// plan SWY-3200, missing or mistyped members SWY-1010, SWY-1012 and SWY-3201, a lock or an index whose text is not
/// what its checksum says SWY-3202, the document of a plan that could not be made SWY-3203. Members that this build
/// does not know are passed over.
std::optional<PlanDocument> read_plan_document(std::string_view text, const std::string& file,
                                               Diagnostics& diagnostics);
/// The same from a value made in code, which has no places.
std::optional<PlanDocument> plan_document_of(const Json& root, const std::string& shown, Diagnostics& diagnostics);

}  // namespace switchyard
