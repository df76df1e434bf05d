#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "rules/byte_source.h"

namespace switchyard {

/// The tensors of a file that torch saved, and what kind of file it is.
struct TorchFile {
  std::string kind;  ///< "TorchScript", "state_dict", "pickled module"
  std::vector<ParameterInfo> parameters;
};

/// True for the first bytes of a zip archive, and of the pickles that torch wrote before 1.6.
bool looks_like_torch(std::string_view start);

/// Reads names, shapes, dtypes and ties (by storage) from an archive of torch.jit.save, torch.save of a module or of a
/// state_dict, or LibTorch's torch::save; nothing in it is executed, no weights are read.
///   TorchScript and pickled modules: the parameters, with the types of their modules and requires_grad; no buffers.
///   A state_dict: every tensor of it, buffers too. The file does not tell which are trained: all but whole numbers. It
///   may lie under one key of a checkpoint; beside tensors only under "model", "state_dict" or "model_state_dict", and
///   beside no others than single elements (a best score) and bytes (the state of a generator).
/// Damaged or lying: SWY-3020 (zip), SWY-3021 (a record), SWY-3022 (the pickle), SWY-3024 (a tensor or module); no
/// named tensors, or several sets of them: SWY-3023.
std::optional<TorchFile> read_torch_file(ByteSource source, const std::string& file, Diagnostics& diagnostics);

}  // namespace switchyard
