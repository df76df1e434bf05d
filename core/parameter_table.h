#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/diagnostics.h"
#include "core/dtype.h"

namespace switchyard {

/// Where a tensor's elements lie; what ties are found by. `id` names the storage (with its device).
struct StorageInfo {
  std::string id;
  std::int64_t offset = 0;            ///< in elements
  std::vector<std::int64_t> strides;  ///< in elements, one an axis
};

/// One tensor of a model as rules see it: logical (global) names and shape, never a local shard.
struct ParameterInfo {
  std::vector<std::string> names;   ///< every name; the first is the display name
  std::vector<std::int64_t> shape;  ///< logical
  Dtype dtype = Dtype::float32;
  std::string dtype_name = "float32";  ///< as given, for types that `Dtype` does not list
  bool requires_grad = true;
  std::string module;  ///< class name of the owning module, "" if unknown
  std::optional<StorageInfo> storage;

  const std::string& name() const { return names.front(); }
  /// The bytewise smallest name: what everything that is ordered or keyed uses.
  const std::string& key() const;
  std::int64_t numel() const;
  bool tied() const { return names.size() > 1; }
};

/// All tensors of a model, ties merged. The order is that of first registration.
class ParameterTable {
 public:
  /// Merges entries that are one tensor (same storage id, offset, shape and strides; tensors without elements are never
  /// tied) and checks the rest. Reported: no name (SWY-2101), one name for two tensors (SWY-2102), different views that
  /// overlap, or a view that shows an element twice (SWY-2103), negative sizes or an element count beyond 2^63 - 1
  /// (SWY-2104), a tie whose entries disagree on requires_grad (SWY-2105, a warning; the tensor is then trainable).
  static ParameterTable build(std::vector<ParameterInfo> entries, Diagnostics& diagnostics);

  const std::vector<ParameterInfo>& parameters() const { return parameters_; }
  std::size_t size() const { return parameters_.size(); }
  const ParameterInfo& operator[](std::size_t i) const { return parameters_[i]; }
  /// The tensor with this name (any of its names); null if there is none.
  const ParameterInfo* find(const std::string& name) const;

  std::int64_t numel() const;  ///< elements of all tensors, each counted once
  std::size_t name_count() const { return by_name_.size(); }

 private:
  std::vector<ParameterInfo> parameters_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

/// "[768, 2304]".
std::string to_string(const std::vector<std::int64_t>& shape);

}  // namespace switchyard
