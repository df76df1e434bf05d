#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/plan.h"
#include "core/plugin/optimizer.h"
#include "core/run/piece.h"
#include "kernels/view.h"

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
  std::vector<at::Tensor> slots{};  ///< owner slots by declared index, on the owner only; views into the executor's
                                    ///< stacks; undefined where there is none
};

/// The gradient of the step that runs, as memory.
struct GradientNow {
  kernels::View view;                 ///< null while there is none
  std::vector<std::int64_t> strides;  ///< of the newest gradient; `view.strides` points here unless it is packed
  std::uint32_t layout = 0;           ///< raised whenever the strides change
  at::Tensor held;                    ///< a sum over aliases or a copy in host memory, kept from step to step
};

/// One parameter on this rank: the caller's tensor, the plan's word on it, and its state.
struct ParameterState {
  PlannedParameter planned;
  const OptimizerDescriptor* descriptor = nullptr;  ///< null when frozen
  std::size_t group = 0;
  at::Tensor tensor;
  std::vector<at::Tensor> aliases;  ///< other tensors over the same memory: their gradients add to this one's
  at::Tensor host;                  ///< working copy in host memory of a tensor on another device (see stored())
  GradientNow gradient;
  TensorIdentity identity;
  bool sharded = false;
  std::vector<RowRange> rows;      ///< by rank; of a replicated parameter one entry for all
  std::vector<at::Tensor> slots;   ///< by declared index; undefined where there is none and for owner slots
  std::vector<at::Tensor> scales;  ///< of encoded slots, by declared index
  at::Tensor master;               ///< fp32, with the trait, for half types
  std::vector<FlatRange> owned;    ///< Unit::chunk: whole chunks by rank
  std::vector<BlockState> blocks;
  std::int64_t count = 0;  ///< applied updates
  std::size_t order = 0;   ///< position in the plan

  bool frozen() const { return descriptor == nullptr; }
  const std::string& name() const { return planned.info.name(); }
  const std::string& key() const { return planned.info.key(); }
  /// The parameter in the stored dtype, where the engine can work on it. Kernels run on the CPU; a tensor on another
  /// device is offloaded: gradients are copied to the host, the update happens there, and the result is copied back.
  at::Tensor stored() const { return host.defined() ? host : tensor.detach(); }
  at::ScalarType work_dtype() const { return planned.info.dtype == Dtype::float64 ? at::kDouble : at::kFloat; }
  const RowRange& rows_of(int rank) const { return rows[sharded ? static_cast<std::size_t>(rank) : 0]; }
  /// Elements of one row (of the whole parameter for 0-D).
  std::int64_t row_elements() const;
  /// The flat range of a rank's rows.
  FlatRange flat_rows(int rank) const;
  /// The rank that contributes a replicated parameter where each must count once; -1 when every rank contributes its
  /// rows.
  int voice(int ranks) const { return sharded ? -1 : static_cast<int>(order % static_cast<std::size_t>(ranks)); }
  /// Whether the slot at this declared index exists for the whole parameter (of slots that live with the shard).
  bool has_slot(std::size_t index) const {
    return descriptor->slots[index].active(planned.settings, planned.info.numel(), 1);
  }
  /// Whether autograd is to train it now: any of the tensors over its memory requires a gradient.
  bool requires_grad() const;
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

/// Puts moved or re-created tensors in the place of the old ones, on any device; same names, logical shapes, rows and
/// dtypes. Throws InvalidParameterError listing everything that does not fit, before any change.
void rebind_parameters(std::vector<ParameterState>& parameters, const std::vector<NamedTensor>& tensors, int rank,
                       bool host_copies);

/// A zero-filled tensor whose storage starts on a 64-byte boundary.
at::Tensor state_tensor(at::IntArrayRef sizes, at::ScalarType dtype, double initial = 0);

}  // namespace switchyard
