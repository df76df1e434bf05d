#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace switchyard {

/// The folder of a checkpoint while somebody saves into it. Files of ours are index.json,
/// state-<t>-<hash>[.n].safetensors, both also as <name>.<process>.tmp while they are written, and save.lock while a
/// save runs.
class CheckpointFolder {
 public:
  /// Makes the folder where it is missing and keeps other writers out until the end, by flock(2) on save.lock: a
  /// process that ends, however, lets go of it. Throws CheckpointError if it cannot be made or another writer is in it.
  /// A file system without locks keeps nobody out; then clear() only removes the data file of before.
  explicit CheckpointFolder(std::string path);
  ~CheckpointFolder();
  CheckpointFolder(const CheckpointFolder&) = delete;
  CheckpointFolder& operator=(const CheckpointFolder&) = delete;

  /// Removes files of ours that the index does not name: what saves that were killed have left, and the data file of
  /// before once a new index is in place. Files with other names stay. What cannot be removed stays, too.
  void clear() const;

  /// A name for data that no file of the folder has: saving twice at one step must not overwrite the file that the
  /// index of now speaks of.
  std::string new_data_name(std::int64_t t, const std::string& state_hash) const;

 private:
  std::vector<std::string> data_files() const;

  std::string path_;
  int lock_ = -1;
  std::vector<std::string> named_before_;  ///< data files that the index named at the beginning
};

}  // namespace switchyard
