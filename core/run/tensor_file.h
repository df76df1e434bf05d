#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/safetensors.h"

namespace switchyard {

/// The format's name of a tensor dtype: at::kFloat is "F32". Throws CheckpointError for types that it does not have.
std::string safetensors_dtype(at::ScalarType type);
/// The other way; throws CheckpointError.
at::ScalarType scalar_type_of(const std::string& safetensors_name);

/// Writes a safetensors file, atomically. `entries` as lay_out_safetensors returned them; `next` is called once an
/// entry, in order, and gives a CPU tensor of its dtype and shape. Returns the checksum of header and data.
/// Throws CheckpointError.
std::string write_tensor_file(const std::string& path, const std::vector<SafetensorsEntry>& entries,
                              const std::map<std::string, std::string>& metadata,
                              const std::function<at::Tensor(const SafetensorsEntry&)>& next);

/// Writes tensors under names (any device; made contiguous): for models next to a checkpoint.
void save_tensors(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                  const std::map<std::string, std::string>& metadata = {});

/// A checked safetensors file, read into memory. Throws CheckpointError with every problem of the header.
class TensorFile {
 public:
  explicit TensorFile(const std::string& path);
  const SafetensorsHeader& header() const { return header_; }
  /// A view of the entry's bytes (alive as long as the file object). Throws CheckpointError if there is no such entry.
  at::Tensor tensor(const std::string& name) const;
  /// Of header and data: any flipped bit changes it.
  std::string checksum() const;

 private:
  std::string path_;
  SafetensorsHeader header_;
  std::string head_;  ///< the header's bytes, its length field included
  at::Tensor data_;
};

}  // namespace switchyard
