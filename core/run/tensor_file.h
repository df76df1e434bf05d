#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/regular_file.h"
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

/// The dtype as messages name it: of "F32" "float32"; a name that has no tensor type as it is.
std::string dtype_text(const std::string& safetensors_name);

/// A checked safetensors file: the header is read when it is opened, data when it is asked for. Throws CheckpointError:
/// every problem of the header, and what cannot be read.
class TensorFile {
 public:
  explicit TensorFile(const std::string& path);
  const SafetensorsHeader& header() const { return header_; }
  /// The entry of this name, read into a tensor of its own. Throws CheckpointError if there is none.
  at::Tensor tensor(const std::string& name) const;
  /// Of header and data: any flipped bit changes it. Reads the file once, through a small buffer.
  std::string checksum() const;

  /// All of the data, and the checksum: the file is read once, from front to back.
  struct Data {
    at::Tensor bytes;  ///< entries lie where the header says; at least one byte
    std::string checksum;
  };
  Data read() const;

 private:
  std::string read_through(char* whole) const;
  void read_range(std::int64_t begin, std::int64_t end, void* to) const;

  std::string path_;
  std::unique_ptr<RegularFile> file_;
  std::string head_;  ///< the header's bytes, its length field included
  SafetensorsHeader header_;
};

/// A view of an entry in the data of its file.
at::Tensor view_of(const SafetensorsEntry& entry, const at::Tensor& data);

}  // namespace switchyard
