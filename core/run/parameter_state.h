#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/plan.h"
#include "core/plugin/optimizer.h"
#include "core/run/piece.h"

namespace switchyard {

/// One tensor that the caller hands over, by one of its names. A row-sharded tensor holds rows [first_row, first_row +
/// its own rows) of `rows` logical ones; together the ranks hold each row once, in order of rank.
struct NamedTensor {
  std::string name;
  at::Tensor tensor;
  std::int64_t rows = -1;  ///< logical rows of a row-sharded tensor; -1: replicated (or one rank)
  std::int64_t first_row = 0;
  std::string module{};  ///< class name of the owning module, "" if unknown
};

/// What a tensor looked like when it was bound; compared before every step.
struct TensorIdentity {
  const void* data = nullptr;
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;

  static TensorIdentity of(const at::Tensor& tensor);
  /// "" if the tensor is still the same, else what changed: "dtype float32 -> bfloat16".
  std::string difference(const at::Tensor& tensor) const;
};

/// Flat elements [begin, end) of the logical parameter, row-major.
struct FlatRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
};

/// One block on this rank: where its pieces lie, and its owner's state.
struct BlockState {
  BlockGeometry geometry;
  BlockInfo info;
  int owner = 0;
  std::vector<at::Tensor>
      slots{};  ///< owner slots by index of active slot, on the owner only; views into the executor's stacks
};

/// One parameter on this rank: the caller's tensor, the plan's word on it, and its state.
struct ParameterState {
  PlannedParameter planned;
  const OptimizerDescriptor* descriptor = nullptr;  ///< null when frozen
  std::size_t group = 0;
  at::Tensor tensor;
  at::Tensor host;      ///< working copy in host memory of a tensor on another device (see stored())
  at::Tensor gradient;  ///< of the step that runs: the caller's, or a copy in host memory; undefined between steps
  TensorIdentity identity;
  bool sharded = false;
  std::vector<RowRange> rows;     ///< by rank
  std::vector<Slot> slot_infos;   ///< active slots
  std::vector<at::Tensor> slots;  ///< by active slot; owner slots undefined
  at::Tensor master;              ///< fp32, with the trait, for half types
  std::vector<FlatRange> owned;   ///< Unit::run: whole runs by rank
  std::vector<BlockState> blocks;
  std::int64_t count = 0;  ///< applied updates

  bool frozen() const { return descriptor == nullptr; }
  const std::string& name() const { return planned.info.name(); }
  const std::string& key() const { return planned.info.key(); }
  /// The parameter in the stored dtype, where the engine can work on it. Kernels run on the CPU; a tensor on another
  /// device is offloaded: gradients are copied to the host, the update happens there, and the result is copied back.
  at::Tensor stored() const { return host.defined() ? host : tensor.detach(); }
  /// What plugins see as the parameter.
  at::Tensor trained() const { return master.defined() ? master : stored(); }
  at::ScalarType work_dtype() const { return planned.info.dtype == Dtype::float64 ? at::kDouble : at::kFloat; }
  /// Elements of one row (of the whole parameter for 0-D).
  std::int64_t row_elements() const;
  /// The flat range of a rank's rows.
  FlatRange flat_rows(int rank) const;
  /// The rank that contributes a replicated parameter where each must count once; -1 when every rank contributes its
  /// rows.
  int voice(int ranks) const { return sharded ? -1 : static_cast<int>(order % static_cast<std::size_t>(ranks)); }
  std::size_t order = 0;  ///< position in the plan
};

at::ScalarType scalar_type(Dtype dtype);
Dtype dtype_of(at::ScalarType type);

/// The table of a list of tensors: logical shapes, ties by storage. Problems that only tensors can have are added to
/// `diagnostics`: undefined (SWY-2110), not a leaf, sparse, quantized, meta, inference, expanded or self-overlapping
/// (SWY-2111).
ParameterTable table_from_tensors(const std::vector<NamedTensor>& tensors, Diagnostics& diagnostics);

/// Binds the tensors to the plan's parameters (by any name) and allocates all state. Collective: ranks exchange their
/// rows. Tensors on other devices than the CPU (all tensors with `host_copies`) get a working copy in host memory.
/// Throws InvalidParameterError listing every missing, unknown or unfitting tensor.
std::vector<ParameterState> bind_parameters(const Plan& plan, const std::vector<NamedTensor>& tensors,
                                            const Registry& registry, class Communicator& communicator,
                                            bool host_copies);

/// Puts moved or re-created tensors in the place of the old ones; same names, logical shapes, rows and dtypes.
void rebind_parameters(std::vector<ParameterState>& parameters, const std::vector<NamedTensor>& tensors, int rank);

/// A zero-filled tensor whose storage starts on a 64-byte boundary.
at::Tensor state_tensor(at::IntArrayRef sizes, at::ScalarType dtype, double initial = 0);

}  // namespace switchyard
