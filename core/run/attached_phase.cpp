#include "core/run/attached_phase.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "core/plugin/elementwise.h"
#include "core/run/phase.h"

namespace switchyard {

void assign_owners(std::vector<OwnedBlock> blocks, int ranks) {
  std::stable_sort(blocks.begin(), blocks.end(), [](const OwnedBlock& a, const OwnedBlock& b) {
    if (a.cost != b.cost) return a.cost > b.cost;
    return a.parameter != b.parameter && a.parameter->key() < b.parameter->key();
  });
  std::vector<double> load(static_cast<std::size_t>(ranks), 0);
  for (const auto& job : blocks) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += job.cost;
    job.block->owner = static_cast<int>(least - load.begin());
  }
}

AttachedPhase::AttachedPhase(Attached attached, std::vector<ParameterState>& parameters, int rank, int ranks)
    : attached_(std::move(attached)), parameters_(parameters), rank_(rank), ranks_(ranks) {
  const auto refuse = [&](const std::string& name, const char* why) {
    throw OptimizerError(fmt::format("`{}` is attached to `{}`, {}", attached_.name, name, why));
  };
  std::vector<OwnedBlock> jobs;
  for (const auto& name : attached_.parameters) {
    const auto found = std::find_if(parameters_.begin(), parameters_.end(), [&](const ParameterState& parameter) {
      const auto& names = parameter.planned.info.names;
      return std::find(names.begin(), names.end(), name) != names.end();
    });
    if (found == parameters_.end()) refuse(name, "which is no parameter of the plan");
    if (found->frozen()) refuse(name, "which is frozen");
    if (found->planned.view.out.empty()) refuse(name, "whose axes have no roles: give it a view with out and in axes");
    for (const auto& block : enumerate_blocks(found->planned.view, found->planned.info.shape)) {
      if (block.out == 0 || block.in == 0) continue;
      blocks_.push_back(
          {BlockGeometry(found->planned.view, block), {found->name(), block.name, block.out, block.in, 1}});
      entries_.push_back({found->order, &blocks_.back()});
      jobs.push_back({static_cast<double>(block.out) * static_cast<double>(block.in), &*found, &blocks_.back()});
    }
  }
  assign_owners(std::move(jobs), ranks_);
  const auto rank_of = [&](const Entry& entry) {
    return std::tuple(parameters_[entry.parameter].work_dtype(), entry.block->info.out, entry.block->info.in);
  };
  std::stable_sort(entries_.begin(), entries_.end(), [&](const Entry& a, const Entry& b) {
    if (rank_of(a) != rank_of(b)) return rank_of(a) < rank_of(b);
    return a.parameter != b.parameter && parameters_[a.parameter].key() < parameters_[b.parameter].key();
  });
}

void AttachedPhase::form(std::int64_t workspace) {
  stacks_.clear();
  for (std::size_t first = 0; first < entries_.size();) {
    const auto& info = entries_[first].block->info;
    PlannedBatch batch;
    batch.out = info.out;
    batch.in = info.in;
    batch.work = work_dtype(parameters_[entries_[first].parameter].planned.info.dtype);
    const auto slot = padded_bytes(info.out * info.in, size_of(batch.work));
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(1, workspace / slot));
    std::vector<BlockState*> blocks;
    auto last = first;
    for (; last < entries_.size() && last - first < most; ++last) {
      const auto& other = entries_[last].block->info;
      const auto work = work_dtype(parameters_[entries_[last].parameter].planned.info.dtype);
      if (other.out != info.out || other.in != info.in || work != batch.work) break;
      batch.entries.push_back({entries_[last].parameter, 0});
      blocks.push_back(entries_[last].block);
    }
    stacks_.push_back(std::make_unique<BlockStack>(parameters_, std::move(blocks), std::move(batch), rank_, ranks_,
                                                   /*needs_param=*/false, /*slots=*/false));
    first = last;
  }
}

std::int64_t AttachedPhase::arena_bytes() const {
  std::int64_t most = 0;
  for (const auto& stack : stacks_) most = std::max(most, stack->arena_bytes());
  return most;
}

void AttachedPhase::lay_out(const Arena& arena) {
  for (auto& stack : stacks_) stack->lay_out(arena);
}

void AttachedPhase::run(Communicator& communicator, const char* active, std::span<const Numbers> numbers,
                        const Step& step) {
  for (auto& stack : stacks_) {
    if (!stack->any_active(active)) continue;
    const auto pieces = stack->pieces(active, numbers);
    elementwise(pieces, step, operands(in(piece::param), out(piece::work)),
                [](const Numbers&, auto) { return [](auto p, auto& u) { u = p; }; });
    stack->gather(communicator, active);
    stack->each_run(active, numbers, /*needs_lr=*/false, [&](Stack& run) {
      const auto& name = run.blocks.front()->parameter;
      if (attached_.constraint) {
        guarded(attached_.name, "apply", name, [&] { attached_.constraint->apply(run, step); });
      } else {
        guarded(attached_.name, "look", name, [&] { attached_.monitor->look(run, step); });
      }
    });
    if (!attached_.constraint) continue;
    stack->scatter(communicator, active);
    elementwise(pieces, step, operands(out(piece::param), in(piece::work)),
                [](const Numbers&, auto) { return [](auto& p, auto u) { p = u; }; });
  }
}

}  // namespace switchyard
