#include <ATen/ATen.h>

#include "core/run/executor_detail.h"
#include "core/run/transfer.h"
#include "kernels/master.h"

namespace switchyard {

namespace {

/// The part of a rank's rows that lies in a range, as a view of the flat local tensor.
at::Tensor overlap(const at::Tensor& flat, const FlatRange& held, const FlatRange& common) {
  if (!flat.defined()) return {};
  return flat.narrow(0, common.begin - held.begin, common.size());
}

FlatRange intersect(const FlatRange& a, const FlatRange& b) {
  const auto begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

/// Row-major flat view of a tensor, or a packed copy where there is none.
at::Tensor flat_of(const at::Tensor& tensor) { return tensor.contiguous().view(-1); }

}  // namespace

/// Element-wise plugins see whole local shards; plugins that work on runs see whole runs, brought together and
/// returned.
void Executor::run_flat(Group& group, const StepInput& input, const Step& step) {
  const auto rank = static_cast<std::size_t>(communicator_.rank());
  const bool runs = group.plan.descriptor->traits.unit == Unit::run;
  std::vector<Piece> pieces;
  std::vector<std::size_t> of_parameter;
  std::vector<at::Tensor> params(parameters_.size());  // Unit::run: packed parameters, by parameter
  std::vector<at::Tensor> grads(parameters_.size());

  if (runs) {
    Transfer transfer(communicator_.rank(), communicator_.size());
    bool moved = false;
    for (const auto i : group.plan.parameters) {
      auto& parameter = parameters_[i];
      if ((*input.active)[i] == 0) continue;
      const auto param = flat_of(parameter.stored());
      const auto& gradient = parameter.gradient;
      const auto grad =
          gradient.defined() ? flat_of(gradient) : at::empty({0}, at::TensorOptions().dtype(parameter.work_dtype()));
      if (!parameter.sharded) {
        params[i] = param;
        grads[i] = grad;
        continue;
      }
      moved = true;
      params[i] = at::empty({parameter.owned[rank].size()}, param.options());
      grads[i] = at::empty({parameter.owned[rank].size()}, at::TensorOptions().dtype(parameter.work_dtype()));
      for (int from = 0; from < communicator_.size(); ++from) {
        for (int to = 0; to < communicator_.size(); ++to) {
          const auto held = parameter.flat_rows(from);
          const auto& owned = parameter.owned[static_cast<std::size_t>(to)];
          const auto common = intersect(held, owned);
          const auto source = [&](const at::Tensor& flat) {
            return from == communicator_.rank() && common.size() > 0 ? overlap(flat, held, common) : at::Tensor();
          };
          const auto destination = [&](const at::Tensor& flat) {
            return to == communicator_.rank() && common.size() > 0 ? overlap(flat, owned, common) : at::Tensor();
          };
          transfer.add(from, to, common.size(), param.scalar_type(), source(param), destination(params[i]));
          transfer.add(from, to, common.size(), parameter.work_dtype(), source(grad), destination(grads[i]));
        }
      }
    }
    if (moved) transfer.run(communicator_);
  }

  for (const auto i : group.plan.parameters) {
    auto& parameter = parameters_[i];
    if ((*input.active)[i] == 0) continue;
    auto piece = piece_of(parameter, flat_infos_[i].get(), input.t);
    piece.state = parameter.slots;
    if (runs) {
      piece.param = params[i];
      piece.grad = grads[i];
      if (parameter.master.defined()) {
        kernels::adopt_writes(parameter.master, params[i]);
        piece.param = parameter.master;
      }
      piece.offset = parameter.owned[rank].begin;
    } else {
      piece.param = parameter.trained();
      if (piece.param.numel() == 0) continue;
      piece.grad = parameter.gradient;
      piece.offset = parameter.sharded ? parameter.flat_rows(communicator_.rank()).begin : 0;
      if (piece.param.is_contiguous() && piece.grad.is_contiguous()) {
        piece.param = piece.param.view(-1);
        piece.grad = piece.grad.view(-1);
        for (auto& slot : piece.state) slot = slot.view(-1);
      }
    }
    if (piece.param.numel() == 0) continue;
    pieces.push_back(std::move(piece));
    of_parameter.push_back(i);
  }
  if (!pieces.empty()) {
    guarded(*group.plan.descriptor, "begin", pieces.front().block->parameter,
            [&] { group.plugin->begin(pieces, step); });
    finish_pieces(group, pieces, of_parameter, input, step);
  }
  if (!runs) return;

  Transfer back(communicator_.rank(), communicator_.size());
  bool moved = false;
  for (const auto i : group.plan.parameters) {
    auto& parameter = parameters_[i];
    if ((*input.active)[i] == 0) continue;
    if (parameter.master.defined()) params[i].copy_(parameter.master);
    auto stored = parameter.stored();
    if (!parameter.sharded) {
      if (params[i].const_data_ptr() != stored.const_data_ptr()) stored.copy_(params[i].view(stored.sizes()));
      continue;
    }
    moved = true;
    const auto packed = stored.is_contiguous() ? stored.view(-1) : at::empty({stored.numel()}, stored.options());
    for (int from = 0; from < communicator_.size(); ++from) {
      for (int to = 0; to < communicator_.size(); ++to) {
        const auto held = parameter.flat_rows(to);
        const auto& owned = parameter.owned[static_cast<std::size_t>(from)];
        const auto common = intersect(held, owned);
        const bool here = common.size() > 0;
        back.add(from, to, common.size(), stored.scalar_type(),
                 here && from == communicator_.rank() ? overlap(params[i], owned, common) : at::Tensor(),
                 here && to == communicator_.rank() ? overlap(packed, held, common) : at::Tensor());
      }
    }
    params[i] = packed;
  }
  if (!moved) return;
  back.run(communicator_);
  for (const auto i : group.plan.parameters) {
    auto& parameter = parameters_[i];
    auto stored = parameter.stored();
    if ((*input.active)[i] == 0 || !parameter.sharded || stored.is_contiguous()) continue;
    stored.copy_(params[i].view(stored.sizes()));
  }
}

}  // namespace switchyard
