#pragma once

#include <cstdint>
#include <string>

#include "core/json.h"

namespace switchyard {

/// The index of a checkpoint: a JSON document that carries a SHA-256 of its own text, so that a changed digit does not
/// go unseen.
class CheckpointIndex {
 public:
  static std::string path_in(const std::string& folder) { return folder + "/index.json"; }

  /// The text of an index with `members` (an object).
  static std::string text(const Json& members);
  /// Writes them as a folder's index, atomically. Throws CheckpointError.
  static void write(const std::string& folder, const Json& members);

  /// Reads and checks: strict JSON, a known format version, the checksum. Throws CheckpointError.
  explicit CheckpointIndex(const std::string& folder);
  /// The same of a text; `name` is what messages call it.
  CheckpointIndex(const std::string& text, std::string name);

  const Json& root() const { return json_; }
  /// A member that must exist and be of this kind; else CheckpointError naming it.
  const Json& get(const Json& object, const char* key, Json::Kind kind) const;
  std::int64_t integer(const Json& object, const char* key) const;
  std::string string(const Json& object, const char* key) const;
  /// An integer >= 0 of the root.
  std::int64_t count(const char* key) const;

 private:
  void read(const std::string& text);

  std::string path_;
  Json json_;
};

}  // namespace switchyard
