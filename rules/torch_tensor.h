#pragma once

#include <optional>
#include <string>

#include "core/parameter_table.h"
#include "rules/pickle.h"
#include "rules/zip_archive.h"

namespace switchyard {

/// A tensor as torch's pickles describe it: `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, ...)`
/// and its relatives, with or without `_rebuild_parameter` around it.
struct TorchTensor {
  ParameterInfo info;         ///< without names; `storage` with the key of the record that holds the elements
  bool is_parameter = false;  ///< from `_rebuild_parameter`: its requires_grad is the parameter's own
};

/// True if the value is a call that makes a tensor or a parameter.
bool is_torch_tensor(const Pickle& pickle, const PickleValue& value);

/// Reads a value for which `is_torch_tensor` holds. The shape, strides and offset must lie inside the storage, and the
/// storage inside its record `<root>/data/<key>`; else `problem` says why and nothing is returned.
std::optional<TorchTensor> read_torch_tensor(const Pickle& pickle, const PickleValue& value, const ZipArchive& archive,
                                             const std::string& root, std::string& problem);

}  // namespace switchyard
