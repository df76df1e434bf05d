#include <ATen/ATen.h>

#include <algorithm>

#include "core/run/executor_detail.h"
#include "core/run/transfer.h"

namespace switchyard {

namespace {

std::vector<std::int64_t> owner_sizes(SlotShape shape, std::int64_t out, std::int64_t in) {
  switch (shape) {
    case SlotShape::per_out_row:
      return {out};
    case SlotShape::per_in_column:
      return {in};
    case SlotShape::out_by_out:
      return {out, out};
    case SlotShape::in_by_in:
      return {in, in};
    case SlotShape::block_matrix:
      return {out, in};
    default:
      return {};
  }
}

}  // namespace

/// The stacks of a batch on this rank. Owner slots that exist already (re-forming) are carried over.
Executor::Batch Executor::stacked(const PlannedBatch& plan) {
  Batch batch;
  batch.plan = plan;
  batch.work = scalar_type(plan.work);
  for (std::size_t e = 0; e < plan.entries.size(); ++e) {
    const auto& entry = plan.entries[e];
    if (parameters_[entry.parameter].blocks[entry.block].owner == communicator_.rank()) batch.owned.push_back(e);
  }
  const auto& slots = parameters_[plan.entries.front().parameter].slot_infos;
  for (std::size_t s = 0; s < slots.size(); ++s) {
    if (!owner_slot(slots[s].shape)) {
      batch.slots.emplace_back();
      continue;
    }
    auto stack = padded_stack(static_cast<std::int64_t>(batch.owned.size()),
                              owner_sizes(slots[s].shape, plan.out, plan.in), batch.work);
    stack.fill_(slots[s].initial);
    for (std::size_t o = 0; o < batch.owned.size(); ++o) {
      const auto& entry = plan.entries[batch.owned[o]];
      auto& block = parameters_[entry.parameter].blocks[entry.block];
      block.slots.resize(slots.size());
      auto view = stack.select(0, static_cast<std::int64_t>(o));
      if (block.slots[s].defined()) view.copy_(block.slots[s]);
      block.slots[s] = view;
    }
    batch.slots.push_back(std::move(stack));
  }
  return batch;
}

void Executor::run_stacks(Group& group, const StepInput& input, const Step& step) {
  for (auto& batch : group.batches) run_batch(group, batch, input, step);
}

/// One stack: begin on local pieces, pieces to the owners, transform on active runs of the owner's stack, pieces back,
/// finish.
void Executor::run_batch(Group& group, Batch& batch, const StepInput& input, const Step& step) {
  const int rank = communicator_.rank();
  const int ranks = communicator_.size();
  const bool needs_param = group.plan.descriptor->traits.needs_param;
  const auto options = at::TensorOptions().dtype(batch.work);

  std::vector<std::size_t> live;
  for (std::size_t e = 0; e < batch.plan.entries.size(); ++e) {
    if ((*input.active)[batch.plan.entries[e].parameter] != 0) live.push_back(e);
  }
  if (live.empty()) return;
  const auto owned = static_cast<std::int64_t>(batch.owned.size());
  auto work = padded_stack(owned, {batch.plan.out, batch.plan.in}, batch.work);  // [owned, out, in]
  auto params = needs_param ? padded_stack(owned, {batch.plan.out, batch.plan.in}, batch.work) : at::Tensor();
  std::vector<std::int64_t> slot_of(batch.plan.entries.size(), -1);
  for (std::size_t o = 0; o < batch.owned.size(); ++o) slot_of[batch.owned[o]] = static_cast<std::int64_t>(o);

  std::vector<Piece> pieces;
  std::vector<std::size_t> of_parameter;
  Transfer there(rank, ranks);
  Transfer back(rank, ranks);
  for (const auto e : live) {
    const auto& entry = batch.plan.entries[e];
    auto& parameter = parameters_[entry.parameter];
    auto& block = parameter.blocks[entry.block];
    const auto& geometry = block.geometry;
    const auto trained = parameter.trained();
    const auto slot = slot_of[e];
    for (int r = 0; r < ranks; ++r) {
      const auto& rows = parameter.rows[static_cast<std::size_t>(r)];
      const bool here = r == rank;
      for (const auto& geometric : geometry.pieces(rows)) {
        const auto elements = geometry.elements(geometric);
        at::Tensor stacked;  // where the piece lies in the owner's stack
        at::Tensor stacked_param;
        if (slot >= 0) {
          stacked = geometry.of_matrix(work.select(0, slot), geometric);
          if (needs_param) stacked_param = geometry.of_matrix(params.select(0, slot), geometric);
        }
        at::Tensor local;  // where begin writes it and finish reads it
        if (here) {
          local = block.owner == rank ? stacked : at::empty(geometry.sizes(geometric), options);
          auto piece = piece_of(parameter, &block.info, input.t);
          piece.param = geometry.of_parameter(trained, rows, geometric);
          piece.grad = geometry.of_parameter(parameter.gradient, rows, geometric);
          piece.work = local;
          for (const auto& state : parameter.slots) {
            piece.state.push_back(state.defined() ? geometry.of_parameter(state, rows, geometric) : at::Tensor());
          }
          piece.offset = geometry.offset(geometric);
          if (needs_param && block.owner == rank) stacked_param.copy_(piece.param);
          pieces.push_back(piece);
          of_parameter.push_back(entry.parameter);
        }
        if (r == block.owner) continue;
        // A replicated block is whole at its owner already; only the result has to travel.
        if (parameter.sharded) {
          there.add(r, block.owner, elements, batch.work, local, stacked);
          if (needs_param) {
            there.add(r, block.owner, elements, batch.work,
                      here ? geometry.of_parameter(trained, rows, geometric) : at::Tensor(), stacked_param);
          }
        }
        back.add(block.owner, r, elements, batch.work, stacked, local);
      }
    }
  }

  if (!pieces.empty()) {
    guarded(*group.plan.descriptor, "begin", pieces.front().block->parameter,
            [&] { group.plugin->begin(pieces, step); });
  }
  there.run(communicator_);

  // Active blocks of this rank's stack, as contiguous runs of slots.
  for (std::size_t first = 0; first < batch.owned.size();) {
    const auto is_live = [&](std::size_t o) {
      return (*input.active)[batch.plan.entries[batch.owned[o]].parameter] != 0;
    };
    if (!is_live(first)) {
      ++first;
      continue;
    }
    auto last = first;
    while (last < batch.owned.size() && is_live(last)) ++last;
    const auto begin = static_cast<std::int64_t>(first);
    const auto count = static_cast<std::int64_t>(last - first);
    Stack stack;
    stack.work = work.narrow(0, begin, count);
    if (needs_param) stack.param = params.narrow(0, begin, count);
    for (const auto& state : batch.slots)
      stack.state.push_back(state.defined() ? state.narrow(0, begin, count) : at::Tensor());
    std::vector<const BlockInfo*> blocks;
    std::vector<double> lr;
    std::vector<double> decay;
    std::vector<std::int64_t> counts;
    for (auto o = first; o < last; ++o) {
      const auto& entry = batch.plan.entries[batch.owned[o]];
      const auto& parameter = parameters_[entry.parameter];
      blocks.push_back(&parameter.blocks[entry.block].info);
      const auto [rate, factor] = rates(parameter, input.t);
      lr.push_back(rate);
      decay.push_back(factor);
      counts.push_back(parameter.count + 1);
    }
    stack.blocks = blocks;
    stack.count = counts;
    if (group.plan.descriptor->traits.needs_lr) {
      stack.lr = lr;
      stack.decay = decay;
    }
    guarded(*group.plan.descriptor, "transform", blocks.front()->parameter,
            [&] { group.plugin->transform(stack, step); });
    first = last;
  }

  back.run(communicator_);
  finish_pieces(group, pieces, of_parameter, input, step);
}

}  // namespace switchyard
