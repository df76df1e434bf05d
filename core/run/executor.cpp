#include "core/run/executor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "core/run/chunk_shards.h"
#include "kernels/elementwise.h"

namespace switchyard {

/// A group of calls on this rank.
struct Executor::Group {
  ExecutionGroup plan;
  Optimizer* plugin = nullptr;
  std::shared_ptr<const void> options;  ///< made again in a step only where a schedule drives one
  LocalPieces pieces;                   ///< of plugins without stacks
  std::optional<ChunkShards> chunks;
  std::vector<std::unique_ptr<BlockStack>> stacks;
};

Executor::Executor(std::vector<ParameterState>& parameters, const std::vector<PlannedGroup>& groups,
                   const Registry& registry, Communicator& communicator, const ExecutorOptions& options)
    : parameters_(parameters), groups_(groups), registry_(registry), communicator_(communicator), options_(options) {
  for (const auto& parameter : parameters_) {
    auto info = std::make_unique<BlockInfo>();
    info->parameter = parameter.name();
    info->out = parameter.planned.info.numel();
    info->in = 1;
    whole_infos_.push_back(std::move(info));
    if (!parameter.frozen() && plugins_.count(parameter.descriptor->name) == 0) {
      plugins_.emplace(parameter.descriptor->name, parameter.descriptor->make());
    }
  }
  assign_owners();
  for (const auto& attached : options_.attached)
    attached_.push_back(
        std::make_unique<AttachedPhase>(attached, parameters_, communicator_.rank(), communicator_.size()));
  form();
}

Executor::~Executor() = default;

void Executor::assign_owners() {
  std::vector<OwnedBlock> jobs;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    auto& parameter = parameters_[i];
    for (auto& block : parameter.blocks) {
      const auto& flops = parameter.descriptor->flops;
      const auto cost = flops ? flops(block.info.out, block.info.in, parameter.planned.settings)
                              : static_cast<double>(block.info.out) * static_cast<double>(block.info.in);
      jobs.push_back({cost, &parameter, &block});
    }
  }
  switchyard::assign_owners(std::move(jobs), communicator_.size());
}

void Executor::form() {
  const int rank = communicator_.rank();
  std::vector<const PlannedParameter*> planned;
  rates_.clear();
  rate_of_.assign(parameters_.size(), 0);
  numbers_.assign(parameters_.size(), {});
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    auto& parameter = parameters_[i];
    planned.push_back(&parameter.planned);
    if (parameter.frozen()) continue;
    rate_of_[i] = rates_.row_of(parameter, groups_[parameter.group]);
    for (auto& block : parameter.blocks) {
      block.info.scale = parameter.descriptor->scale(parameter.planned.settings, block.info.out, block.info.in);
    }
  }
  std::vector<std::unique_ptr<Group>> next;
  arena_bytes_ = 0;
  for (auto& plan : execution_groups(planned, groups_, registry_, options_.workspace, options_.machine)) {
    auto group = std::make_unique<Group>();
    group->plugin = plugins_.at(plan.descriptor->name).get();
    group->options = plan.descriptor->table.make(plan.settings);
    group->plan = std::move(plan);
    const auto& traits = group->plan.descriptor->traits;
    if (group->plan.descriptor->needs_matrix()) {
      for (auto& batch : group->plan.batches) {
        std::vector<BlockState*> blocks;
        for (const auto& entry : batch.entries) blocks.push_back(&parameters_[entry.parameter].blocks[entry.block]);
        group->stacks.push_back(std::make_unique<BlockStack>(parameters_, std::move(blocks), batch, rank,
                                                             communicator_.size(), traits.needs_param, true));
        arena_bytes_ = std::max(arena_bytes_, group->stacks.back()->arena_bytes());
      }
    } else if (traits.unit == Unit::chunk) {
      group->chunks.emplace(rank, communicator_.size());
      for (const auto i : group->plan.parameters) group->chunks->add(parameters_[i], *whole_infos_[i], group->pieces);
    } else {
      for (const auto i : group->plan.parameters) group->pieces.add_whole(parameters_[i], *whole_infos_[i], rank);
    }
    next.push_back(std::move(group));
  }
  for (auto& phase : attached_) {
    phase->form(options_.workspace);
    arena_bytes_ = std::max(arena_bytes_, phase->arena_bytes());
  }
  arena_.reserve(arena_bytes_);
  for (auto& phase : attached_) phase->lay_out(arena_);
  for (auto& group : next) {
    for (auto& stack : group->stacks) stack->lay_out(arena_);
  }
  execution_ = std::move(next);
}

Workspace Executor::peak_workspace() const {
  Workspace most;
  most.stack = arena_bytes_;
  std::int64_t scratch = 0;
  for (const auto& group : execution_) {
    scratch = std::max(scratch, group->plan.scratch);
    for (const auto& stack : group->stacks) scratch = std::max(scratch, stack->plan().scratch);
  }
  most.peak = arena_bytes_ + scratch;
  return most;
}

void Executor::take_numbers(const StepInput& input) {
  rates_.evaluate(input.t);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    auto& parameter = parameters_[i];
    if (parameter.frozen() || input.active[i] == 0) continue;
    const auto& rate = rates_[rate_of_[i]];
    numbers_[i].lr = rate.lr;
    numbers_[i].decay = rate.decay;
    numbers_[i].count = parameter.count + 1;
    if (parameter.host.defined()) parameter.host.copy_(parameter.tensor.detach());
    // Copies of parameters travel from the master, which may not know yet what somebody else has written.
    if (parameter.master.defined() && parameter.descriptor->traits.needs_param) {
      const auto stored = parameter.stored();
      const PieceLayout layout{0, stored.sizes().vec(), stored.strides().vec()};
      kernels::adopt_writes(view_of(parameter.master), view_of(stored, &layout), layout.sizes, stored.numel());
    }
  }
}

void Executor::step(const StepInput& input) {
  take_numbers(input);
  for (auto& group : execution_) {
    const auto& descriptor = *group->plan.descriptor;
    if (!group->plan.schedules.empty()) {
      OptionValues values = group->plan.settings;
      for (const auto& [name, schedule] : group->plan.schedules) *find_option(values, name) = schedule(input.t);
      group->options = descriptor.table.make(values);
    }
    Step step(input.t, GradScale(input.grad_scale), group->options.get(), *descriptor.table.type, options_.formulas);
    step.machine = &options_.machine;
    if (descriptor.needs_matrix()) {
      run_stacks(*group, input, step);
    } else {
      run_elements(*group, input, step);
    }
  }
  Step after(input.t, GradScale(input.grad_scale), nullptr, typeid(void), options_.formulas);
  after.machine = &options_.machine;
  for (auto& phase : attached_) phase->run(communicator_, input.active, numbers_, after);
  put_back(input);
}

void Executor::run_elements(Group& group, const StepInput& input, const Step& step) {
  if (group.chunks) group.chunks->gather(communicator_, input.active);
  const auto pieces = group.pieces.update(input.active, numbers_);
  if (!pieces.empty()) {
    guarded(group.plan.descriptor->name, "begin", pieces.front().block->parameter,
            [&] { group.plugin->begin(pieces, step); });
    finish_pieces(group, pieces, group.pieces.parameters(), input, step);
  }
  if (group.chunks) group.chunks->scatter(communicator_, input.active);
}

/// One stack after the other: begin on local pieces, pieces to the owners, transform on active runs of the owner's
/// stack, pieces back, finish.
void Executor::run_stacks(Group& group, const StepInput& input, const Step& step) {
  const auto& descriptor = *group.plan.descriptor;
  for (auto& stack : group.stacks) {
    if (!stack->any_active(input.active)) continue;
    const auto pieces = stack->pieces(input.active, numbers_);
    if (!pieces.empty()) {
      guarded(descriptor.name, "begin", pieces.front().block->parameter, [&] { group.plugin->begin(pieces, step); });
    }
    stack->gather(communicator_, input.active);
    stack->each_run(input.active, numbers_, descriptor.traits.needs_lr, [&](Stack& run) {
      guarded(descriptor.name, "transform", run.blocks.front()->parameter, [&] { group.plugin->transform(run, step); });
    });
    stack->scatter(communicator_, input.active);
    finish_pieces(group, pieces, stack->piece_parameters(), input, step);
  }
}

void Executor::finish_pieces(Group& group, Pieces pieces, std::span<const std::size_t> of_parameter,
                             const StepInput& input, const Step& step) {
  if (pieces.empty()) return;
  const auto finish = [&](Pieces some) {
    guarded(group.plan.descriptor->name, "finish", some.front().block->parameter,
            [&] { group.plugin->finish(some, step); });
    for (const auto& piece : some) {
      if (piece.rounds_later) kernels::copy_elements(piece.param, piece.stored, piece.sizes, piece.numel);
    }
  };
  if (input.measure == nullptr) {
    finish(pieces);
    return;
  }
  // Measuring needs a copy of what is about to change: as many pieces at a time as fit into the workspace.
  for (std::size_t first = 0; first < pieces.size();) {
    std::vector<at::Tensor> before;
    std::int64_t bytes = 0;
    auto last = first;
    for (; last < pieces.size() && (last == first || bytes < options_.workspace); ++last) {
      auto& piece = pieces[last];
      if (piece.stored) kernels::adopt_writes(piece.param, piece.stored, piece.sizes, piece.numel);
      before.push_back(piece.tensor(piece.param)
                           .to(parameters_[of_parameter[last]].work_dtype(),
                               /*non_blocking=*/false, /*copy=*/true));
      bytes += static_cast<std::int64_t>(before.back().nbytes());
    }
    finish(pieces.subspan(first, last - first));
    for (auto i = first; i < last; ++i) {
      const auto& parameter = parameters_[of_parameter[i]];
      const auto voice = parameter.voice(communicator_.size());
      if (voice < 0 || voice == communicator_.rank())
        input.measure->add(parameter.group, before[i - first], pieces[i].tensor(pieces[i].param));
    }
    first = last;
  }
}

/// Counts, copies on other devices, and word to autograd: plugins write through raw memory, of which it must learn as
/// of any in-place operation.
void Executor::put_back(const StepInput& input) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    auto& parameter = parameters_[i];
    if (parameter.frozen() || input.active[i] == 0) continue;
    ++parameter.count;
    if (parameter.host.defined()) parameter.tensor.detach().copy_(parameter.host);
    parameter.tensor.unsafeGetTensorImpl()->bump_version();
    for (const auto& alias : parameter.aliases) alias.unsafeGetTensorImpl()->bump_version();
  }
}

}  // namespace switchyard
