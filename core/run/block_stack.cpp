#include "core/run/block_stack.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/error.h"

namespace switchyard {

namespace {

/// Sizes and strides of a padded stack, and how many elements it spans.
struct StackLayout {
  std::vector<std::int64_t> shape, strides;
  std::int64_t elements = 0;

  StackLayout(std::int64_t count, const std::vector<std::int64_t>& sizes, at::ScalarType dtype) {
    const auto numel = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
    const auto element = static_cast<std::int64_t>(c10::elementSize(dtype));
    const auto stride = padded_bytes(numel, element) / element;
    shape = {count};
    shape.insert(shape.end(), sizes.begin(), sizes.end());
    strides.resize(shape.size());
    strides[0] = stride;
    std::int64_t inner = 1;
    for (auto axis = shape.size() - 1; axis > 0; --axis) {
      strides[axis] = inner;
      inner *= shape[axis];
    }
    elements = count * stride;
  }
};

}  // namespace

void Arena::reserve(std::int64_t bytes) {
  if (bytes_.defined() && bytes_.numel() == bytes) return;
  bytes_ = at::Tensor();  // before the new one: they are not needed together
  if (bytes == 0) return;
  try {
    bytes_ = at::empty({bytes}, at::TensorOptions().dtype(at::kByte));
  } catch (const std::exception&) {
    throw OptimizerError(
        fmt::format("the stacks of a step need {} bytes at once, which this machine does not have: lower "
                    "RunOptions::workspace (one "
                    "block must fit)",
                    bytes));
  }
}

at::Tensor Arena::stack(std::int64_t offset, std::int64_t count, const std::vector<std::int64_t>& sizes,
                        at::ScalarType dtype) const {
  const StackLayout layout(count, sizes, dtype);
  if (layout.elements == 0)
    return at::empty({0}, at::TensorOptions().dtype(dtype)).as_strided(layout.shape, layout.strides);
  const auto bytes = layout.elements * static_cast<std::int64_t>(c10::elementSize(dtype));
  return bytes_.narrow(0, offset, bytes)
      .view(dtype)
      .as_strided(layout.shape, layout.strides, offset / static_cast<std::int64_t>(c10::elementSize(dtype)));
}

at::Tensor padded_stack(std::int64_t count, const std::vector<std::int64_t>& sizes, at::ScalarType dtype) {
  const StackLayout layout(count, sizes, dtype);
  return at::empty({std::max<std::int64_t>(layout.elements, 1)}, at::TensorOptions().dtype(dtype))
      .as_strided(layout.shape, layout.strides);
}

BlockStack::BlockStack(std::vector<ParameterState>& parameters, std::vector<BlockState*> blocks, PlannedBatch plan,
                       int rank, int ranks, bool needs_param, bool slots)
    : parameters_(parameters),
      blocks_(std::move(blocks)),
      plan_(std::move(plan)),
      rank_(rank),
      ranks_(ranks),
      needs_param_(needs_param),
      work_type_(scalar_type(plan_.work)),
      there_(rank, ranks),
      back_(rank, ranks) {
  const auto element = size_of(plan_.work);
  std::int64_t foreign = 0;  // pieces of blocks that others own lie outside the stack
  for (std::size_t e = 0; e < plan_.entries.size(); ++e) {
    const auto& entry = plan_.entries[e];
    const auto& parameter = parameters_[entry.parameter];
    const auto& block = *blocks_[e];
    if (block.owner == rank_) {
      owned_.push_back(e);
      continue;
    }
    for (const auto& piece : block.geometry.pieces(parameter.rows_of(rank_)))
      foreign += padded_bytes(block.geometry.elements(piece), element);
  }
  const auto stack = static_cast<std::int64_t>(owned_.size()) * padded_bytes(plan_.out * plan_.in, element);
  params_at_ = stack;
  pieces_at_ = needs_param_ ? 2 * stack : stack;
  arena_bytes_ = pieces_at_ + foreign;
  if (slots) carry_slots();
}

/// Owner slots of this batch in stacks of their own; what blocks have already (re-forming) is carried over.
void BlockStack::carry_slots() {
  if (plan_.entries.empty()) return;
  const auto& first = parameters_[plan_.entries.front().parameter];
  const auto& declared = first.descriptor->slots;
  slots_.resize(declared.size());
  for (std::size_t s = 0; s < declared.size(); ++s) {
    const auto& slot = declared[s];
    if (!owner_slot(slot.shape) || !slot.active(first.planned.settings, plan_.out, plan_.in)) continue;
    auto stack =
        padded_stack(static_cast<std::int64_t>(owned_.size()), owner_slot_sizes(slot.shape, plan_.out, plan_.in),
                     scalar_type(stored_dtype(slot.dtype, first.planned.info.dtype)));
    stack.fill_(slot.initial);
    if (slot.identity && stack.numel() > 0) stack.diagonal(0, 1, 2).fill_(1);
    for (std::size_t o = 0; o < owned_.size(); ++o) {
      auto& block = *blocks_[owned_[o]];
      block.slots.resize(declared.size());
      const auto view = stack.select(0, static_cast<std::int64_t>(o));
      if (block.slots[s].defined()) view.copy_(block.slots[s]);
      block.slots[s] = view;
    }
    slots_[s] = std::move(stack);
  }
}

void BlockStack::lay_out(const Arena& arena) {
  const auto owned = static_cast<std::int64_t>(owned_.size());
  work_ = arena.stack(0, owned, {plan_.out, plan_.in}, work_type_);  // [owned, out, in]
  if (needs_param_) param_ = arena.stack(params_at_, owned, {plan_.out, plan_.in}, work_type_);
  infos_.clear();
  scale_.clear();
  for (const auto e : owned_) {
    infos_.push_back(&blocks_[e]->info);
    scale_.push_back(infos_.back()->scale);
  }
  lr_.assign(owned_.size(), 0);
  decay_.assign(owned_.size(), 0);
  count_.assign(owned_.size(), 0);
  add_pieces(arena);
  run_first_ = run_last_ = 0;
}

void BlockStack::add_pieces(const Arena& arena) {
  pieces_ = {};
  there_.clear();
  back_.clear();
  auto foreign_at = pieces_at_;
  std::int64_t slot = -1;
  for (std::size_t e = 0; e < plan_.entries.size(); ++e) {
    const auto& entry = plan_.entries[e];
    const auto& parameter = parameters_[entry.parameter];
    const auto& block = *blocks_[e];
    const auto& geometry = block.geometry;
    const bool owner = block.owner == rank_;
    if (owner) ++slot;
    // Pieces of others concern the owner alone, and those of replicas only on the way back.
    const bool of_all = owner && parameter.sharded;
    for (int r = of_all ? 0 : rank_; r < (of_all ? ranks_ : rank_ + 1); ++r) {
      const bool here = r == rank_;
      const auto& rows = parameter.rows_of(r);
      for (const auto& piece : geometry.pieces(rows)) {
        const auto elements = geometry.elements(piece);
        at::Tensor stacked;  // where the piece lies in the owner's stack
        at::Tensor stacked_param;
        if (owner) {
          stacked = geometry.of_matrix(work_.select(0, slot), piece);
          if (needs_param_) stacked_param = geometry.of_matrix(param_.select(0, slot), piece);
        }
        at::Tensor local;  // where begin writes it and finish reads it
        at::Tensor held;   // what this rank holds of the parameter
        if (here) {
          local = stacked;
          if (!owner) {
            local = arena.stack(foreign_at, 1, geometry.sizes(piece), work_type_).select(0, 0);
            foreign_at += padded_bytes(elements, size_of(plan_.work));
          }
          if (needs_param_) {
            held =
                geometry.of_parameter(parameter.master.defined() ? parameter.master : parameter.stored(), rows, piece);
          }
          const PieceLayout at{0, local.sizes().vec(), local.strides().vec()};
          pieces_.add_block(parameter, block, piece, rank_, view_of(local), at);
        }
        // A replicated block is whole at its owner already; only the result has to travel.
        if (needs_param_ && (parameter.sharded || owner))
          there_.add(r, block.owner, elements, work_type_, held, stacked_param, entry.parameter);
        if (r == block.owner) continue;
        if (parameter.sharded) there_.add(r, block.owner, elements, work_type_, local, stacked, entry.parameter);
        back_.add(block.owner, r, elements, work_type_, stacked, local, entry.parameter);
      }
    }
    if (owner && !parameter.sharded) {
      for (int r = 0; r < ranks_; ++r) {
        if (r == rank_) continue;
        for (const auto& piece : geometry.pieces(parameter.rows_of(r))) {
          back_.add(rank_, r, geometry.elements(piece), work_type_, geometry.of_matrix(work_.select(0, slot), piece),
                    {}, entry.parameter);
        }
      }
    }
  }
}

bool BlockStack::any_active(const char* active) const {
  return std::any_of(plan_.entries.begin(), plan_.entries.end(),
                     [&](const BlockRef& entry) { return active[entry.parameter] != 0; });
}

void BlockStack::gather(Communicator& communicator, const char* active) {
  if (ranks_ > 1 || !there_.empty()) there_.run(communicator, active);
}

void BlockStack::scatter(Communicator& communicator, const char* active) {
  if (ranks_ > 1) back_.run(communicator, active);
}

Stack& BlockStack::run_of(std::size_t first, std::size_t last, std::span<const Numbers> numbers, bool needs_lr) {
  for (auto o = first; o < last; ++o) {
    const auto& of_parameter = numbers[plan_.entries[owned_[o]].parameter];
    lr_[o] = of_parameter.lr;
    decay_[o] = of_parameter.decay;
    count_[o] = of_parameter.count;
  }
  if (run_first_ == first && run_last_ == last) return stack_;
  run_first_ = first;
  run_last_ = last;
  const auto begin = static_cast<std::int64_t>(first);
  const auto size = last - first;
  const auto narrowed = [&](const at::Tensor& all) {
    return all.defined() ? all.narrow(0, begin, static_cast<std::int64_t>(size)) : at::Tensor();
  };
  stack_.work = narrowed(work_);
  stack_.param = narrowed(param_);
  run_slots_.clear();
  for (const auto& slot : slots_) run_slots_.push_back(narrowed(slot));
  stack_.state = run_slots_;
  stack_.blocks = std::span(infos_).subspan(first, size);
  stack_.scale = std::span<const double>(scale_).subspan(first, size);
  stack_.count = std::span<const std::int64_t>(count_).subspan(first, size);
  stack_.lr = {};
  stack_.decay = {};
  if (needs_lr) {
    stack_.lr = std::span<const double>(lr_).subspan(first, size);
    stack_.decay = std::span<const double>(decay_).subspan(first, size);
  }
  return stack_;
}

}  // namespace switchyard
