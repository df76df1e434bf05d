#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "core/run/checkpoint_index.h"
#include "core/run/communicator.h"
#include "core/run/optimizer_state.h"
#include "core/safetensors.h"

namespace switchyard {

/// What load takes, from a folder or from memory: whole tensors by name, all of them read and intact, so that nothing
/// can fail any more once values begin to change. It holds the data once, and nothing else of its size.
class SavedState {
 public:
  /// Reads a checkpoint: the index, and the data file once, from front to back, with its checksum. Local. Throws
  /// CheckpointError.
  static SavedState from_folder(const std::string& path);

  /// Takes what rank 0 gives; what other ranks give is not looked at. Collective: the others receive all of it. An
  /// undefined or sparse tensor, two of one name or a dtype that a checkpoint does not have is a CheckpointError on all
  /// ranks.
  static SavedState from_memory(const OptimizerState& given, Communicator& communicator);

  /// What messages call it: the folder, or "the given state".
  const std::string& where() const { return where_; }
  /// Null for tensors alone.
  const CheckpointIndex* index() const { return index_.get(); }
  const std::vector<SafetensorsEntry>& entries() const { return header_.entries; }
  const SafetensorsEntry* find(const std::string& name) const { return header_.find(name); }
  std::size_t position(const SafetensorsEntry& entry) const {
    return static_cast<std::size_t>(&entry - header_.entries.data());
  }
  /// The tensor of one of entries(): contiguous, on the CPU; alive as long as this object.
  at::Tensor tensor(const SafetensorsEntry& entry) const;

 private:
  void receive(const std::string& head, Communicator& communicator);

  std::string where_;
  std::unique_ptr<CheckpointIndex> index_;
  SafetensorsHeader header_;
  at::Tensor data_;                  ///< of a file, or received: entries lie where the header says
  std::vector<at::Tensor> tensors_;  ///< else by entry
};

}  // namespace switchyard
