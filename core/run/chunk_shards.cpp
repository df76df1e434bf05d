#include "core/run/chunk_shards.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/elementwise.h"

namespace switchyard {

namespace {

FlatRange common_part(const FlatRange& a, const FlatRange& b) {
  const auto begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

/// The part of a flat tensor over `held` that lies in `common`.
at::Tensor part_of(const at::Tensor& flat, const FlatRange& held, const FlatRange& common) {
  return flat.narrow(0, common.begin - held.begin, common.size());
}

}  // namespace

void ChunkShards::add(ParameterState& parameter, const BlockInfo& info, LocalPieces& pieces) {
  const auto stored = parameter.stored();
  const auto& owned = parameter.owned[static_cast<std::size_t>(rank_)];
  auto& copies = copies_.emplace_back();
  copies.parameter = &parameter;
  const auto work = at::TensorOptions().dtype(parameter.work_dtype());
  // The gradient is copied: chunks are flat, and its strides may change from step to step.
  copies.local_grad = at::empty({stored.numel()}, work);
  if (!stored.is_contiguous()) {
    copies.stored = stored;
    copies.layout = {0, stored.sizes().vec(), stored.strides().vec()};
    copies.local_param = at::empty({stored.numel()}, stored.options());
  }
  const auto local_param = copies.local_param.defined() ? copies.local_param : stored.view(-1);
  if (!parameter.sharded) {
    pieces.add_chunks(parameter, info, view_of(local_param), view_of(copies.local_grad), rank_);
    return;
  }
  moves_ = true;
  copies.param = at::empty({owned.size()}, stored.options());
  const auto grad = at::empty({owned.size()}, work);
  const auto held = parameter.flat_rows(rank_);
  for (std::size_t r = 0; r < parameter.owned.size(); ++r) {
    const auto other = static_cast<int>(r);
    const auto out = common_part(held, parameter.owned[r]);          // of ours, to the owner r
    const auto in = common_part(parameter.flat_rows(other), owned);  // of r's, to us
    const auto type = stored.scalar_type();
    const bool self = other == rank_;
    if (out.size() > 0) {
      const auto mine = part_of(local_param, held, out);
      const auto at_home = self ? part_of(copies.param, owned, in) : at::Tensor();
      there_.add(rank_, other, out.size(), type, mine, at_home, parameter.order);
      there_.add(rank_, other, out.size(), parameter.work_dtype(), part_of(copies.local_grad, held, out),
                 self ? part_of(grad, owned, in) : at::Tensor(), parameter.order);
      back_.add(other, rank_, out.size(), type, at_home, mine, parameter.order);
    }
    if (in.size() > 0 && !self) {
      there_.add(other, rank_, in.size(), type, {}, part_of(copies.param, owned, in), parameter.order);
      there_.add(other, rank_, in.size(), parameter.work_dtype(), {}, part_of(grad, owned, in), parameter.order);
      back_.add(rank_, other, in.size(), type, part_of(copies.param, owned, in), {}, parameter.order);
    }
  }
  pieces.add_chunks(parameter, info, view_of(copies.param), view_of(grad), rank_);
  grads_.push_back(grad);
}

void ChunkShards::gather(Communicator& communicator, const char* active) {
  for (auto& copies : copies_) {
    const auto& parameter = *copies.parameter;
    if (active[parameter.order] == 0) continue;
    const auto& sizes = parameter.tensor.sizes();
    const std::span<const std::int64_t> shape(sizes.data(), sizes.size());
    const auto numel = parameter.tensor.numel();
    if (numel == 0) continue;
    if (copies.local_param.defined())
      kernels::copy_elements(view_of(copies.stored, &copies.layout), view_of(copies.local_param), shape, numel);
    if (parameter.gradient.view)
      kernels::copy_elements(parameter.gradient.view, view_of(copies.local_grad), shape, numel);
  }
  if (moves_) there_.run(communicator, active);
}

void ChunkShards::scatter(Communicator& communicator, const char* active) {
  if (moves_) back_.run(communicator, active);
  for (auto& copies : copies_) {
    if (active[copies.parameter->order] == 0 || !copies.local_param.defined()) continue;
    kernels::copy_elements(view_of(copies.local_param), view_of(copies.stored, &copies.layout), copies.layout.sizes,
                           copies.stored.numel());
  }
}

}  // namespace switchyard
