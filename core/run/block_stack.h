#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/execution.h"
#include "core/run/local_pieces.h"
#include "core/run/transfer.h"

namespace switchyard {

/// Memory that the stacks of all batches share, one after the other: of the largest one, kept from step to step.
class Arena {
 public:
  /// Makes it hold `bytes`; what is in it is lost.
  void reserve(std::int64_t bytes);
  /// Packed [count, sizes...] whose entries start on 64-byte boundaries (BLAS changes bits with an operand's
  /// alignment), at `offset` bytes, a multiple of 64.
  at::Tensor stack(std::int64_t offset, std::int64_t count, const std::vector<std::int64_t>& sizes,
                   at::ScalarType dtype) const;

 private:
  at::Tensor bytes_;
};

/// The same in memory of its own, for slots that live with owners.
at::Tensor padded_stack(std::int64_t count, const std::vector<std::int64_t>& sizes, at::ScalarType dtype);

/// One planned batch on this rank: where its pieces lie, how they travel to the owners of blocks and back, and what the
/// owners see. Made once; a step changes gradients and numbers. One rank is the same with nothing to exchange.
class BlockStack {
 public:
  /// `blocks` are those of plan.entries, in order; both they and `parameters` outlive this. `needs_param`: copies of
  /// parameters travel too. `slots`: the plugin's owner slots of these blocks are kept here.
  BlockStack(std::vector<ParameterState>& parameters, std::vector<BlockState*> blocks, PlannedBatch plan, int rank,
             int ranks, bool needs_param, bool slots);

  /// Bytes of the arena that it uses on this rank.
  std::int64_t arena_bytes() const { return arena_bytes_; }
  /// Lays pieces, stacks and exchanges out in the arena, and takes over owner slots that exist already.
  void lay_out(const Arena& arena);

  /// This step's local pieces.
  Pieces pieces(const char* active, std::span<const Numbers> numbers) { return pieces_.update(active, numbers); }
  std::span<const std::size_t> piece_parameters() const { return pieces_.parameters(); }
  bool any_active(const char* active) const;

  /// Parameters into their stack, where they are needed (collective with several ranks).
  void gather(Communicator& communicator, const char* active);
  /// Calls visit(Stack&) for the active blocks that this rank owns, as contiguous runs of slots.
  template <class Visit>
  void each_run(const char* active, std::span<const Numbers> numbers, bool needs_lr, Visit&& visit);
  /// Work back to where finish reads it (collective with several ranks).
  void scatter(Communicator& communicator, const char* active);

  const PlannedBatch& plan() const { return plan_; }

 private:
  void carry_slots();
  void add_pieces(const Arena& arena);
  Stack& run_of(std::size_t first, std::size_t last, std::span<const Numbers> numbers, bool needs_lr);
  bool owned_active(std::size_t owned, const char* active) const {
    return active[plan_.entries[owned_[owned]].parameter] != 0;
  }

  std::vector<ParameterState>& parameters_;
  std::vector<BlockState*> blocks_;
  PlannedBatch plan_;
  int rank_;
  int ranks_;
  bool needs_param_;
  at::ScalarType work_type_;
  std::vector<std::size_t> owned_;  ///< positions in plan_.entries that this rank owns: the slots of its stack
  std::int64_t params_at_ = 0;      ///< in the arena
  std::int64_t pieces_at_ = 0;
  std::int64_t arena_bytes_ = 0;

  LocalPieces pieces_;
  Transfer there_;
  Transfer back_;
  at::Tensor work_;
  at::Tensor param_;
  std::vector<at::Tensor> slots_;  ///< owner slots, [owned, ...], by declared index
  std::vector<const BlockInfo*> infos_;
  std::vector<double> scale_, lr_, decay_;
  std::vector<std::int64_t> count_;
  Stack stack_;  ///< of the run that is visited; of the whole stack while all its blocks are active
  std::vector<at::Tensor> run_slots_;
  std::size_t run_first_ = 0, run_last_ = 0;
};

template <class Visit>
void BlockStack::each_run(const char* active, std::span<const Numbers> numbers, bool needs_lr, Visit&& visit) {
  for (std::size_t first = 0; first < owned_.size();) {
    if (!owned_active(first, active)) {
      ++first;
      continue;
    }
    auto last = first;
    while (last < owned_.size() && owned_active(last, active)) ++last;
    visit(run_of(first, last, numbers, needs_lr));
    first = last;
  }
}

}  // namespace switchyard
