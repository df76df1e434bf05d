#pragma once

#include <string>

#include "core/json.h"

namespace switchyard {

/// The index of a checkpoint folder: a JSON document that carries a SHA-256 of its own text, so that a changed digit
/// does not go unseen.
class CheckpointIndex {
 public:
  static std::string path_in(const std::string& folder) { return folder + "/index.json"; }

  /// Writes `members` (an object) as a folder's index, atomically. Throws CheckpointError.
  static void write(const std::string& folder, const Json& members);

  /// Reads and checks: strict JSON, a known format version, the checksum. Throws CheckpointError.
  explicit CheckpointIndex(const std::string& folder);

  const Json& root() const { return json_; }
  /// A member that must exist and be of this kind; else CheckpointError naming it.
  const Json& get(const Json& object, const char* key, Json::Kind kind) const;
  std::int64_t integer(const Json& object, const char* key) const;
  std::string string(const Json& object, const char* key) const;
  /// An integer >= 0 of the root.
  std::int64_t count(const char* key) const;

 private:
  std::string path_;
  Json json_;
};

}  // namespace switchyard
