#include "core/run/executor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "core/run/executor_detail.h"
#include "kernels/master.h"

namespace switchyard {

namespace {

/// The schedule that drives an option (or lr) of a parameter; null if none does.
const Schedule* schedule_of(const ParameterState& parameter, const PlannedGroup& group, const std::string& name) {
  const auto& own = parameter.planned.own_settings;
  if (std::find(own.begin(), own.end(), name) != own.end()) return nullptr;
  for (const auto& [option, schedule] : group.schedules) {
    if (option == name) return &schedule;
  }
  return nullptr;
}

}  // namespace

at::Tensor padded_stack(std::int64_t count, const std::vector<std::int64_t>& sizes, at::ScalarType dtype) {
  const auto elements = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
  const auto element = static_cast<std::int64_t>(c10::elementSize(dtype));
  const auto stride = padded_bytes(elements, element) / element;
  auto storage = at::empty({std::max<std::int64_t>(count * stride, 1)}, at::TensorOptions().dtype(dtype));
  std::vector<std::int64_t> shape = {count};
  std::vector<std::int64_t> strides = {stride};
  shape.insert(shape.end(), sizes.begin(), sizes.end());
  strides.resize(shape.size());
  std::int64_t inner = 1;
  for (auto axis = shape.size() - 1; axis > 0; --axis) {
    strides[axis] = inner;
    inner *= shape[axis];
  }
  return storage.as_strided(shape, strides);
}

Executor::Executor(std::vector<ParameterState>& parameters, const std::vector<PlannedGroup>& groups,
                   const Registry& registry, Communicator& communicator, std::int64_t workspace, Machine machine)
    : parameters_(parameters),
      groups_(groups),
      registry_(registry),
      communicator_(communicator),
      workspace_(workspace),
      machine_(std::move(machine)) {
  for (const auto& parameter : parameters_) {
    auto info = std::make_unique<BlockInfo>();
    info->parameter = parameter.name();
    info->out = parameter.planned.info.numel();
    info->in = 1;
    flat_infos_.push_back(std::move(info));
    if (!parameter.frozen() && plugins_.count(parameter.descriptor->name) == 0) {
      plugins_.emplace(parameter.descriptor->name, parameter.descriptor->make());
    }
  }
  assign_owners();
  form();
}

Executor::~Executor() = default;

/// Longest processing time first: the most expensive block to the least loaded rank. All ranks compute the same.
void Executor::assign_owners() {
  struct Job {
    double cost;
    std::size_t parameter;
    std::size_t block;
  };
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& parameter = parameters_[i];
    for (std::size_t b = 0; b < parameter.blocks.size(); ++b) {
      const auto& info = parameter.blocks[b].info;
      const auto& flops = parameter.descriptor->flops;
      const auto cost = flops ? flops(info.out, info.in, parameter.planned.settings)
                              : static_cast<double>(info.out) * static_cast<double>(info.in);
      jobs.push_back({cost, i, b});
    }
  }
  std::sort(jobs.begin(), jobs.end(), [&](const Job& a, const Job& b) {
    if (a.cost != b.cost) return a.cost > b.cost;
    if (a.parameter != b.parameter) return parameters_[a.parameter].key() < parameters_[b.parameter].key();
    return a.block < b.block;
  });
  std::vector<double> load(static_cast<std::size_t>(communicator_.size()), 0);
  for (const auto& job : jobs) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += job.cost;
    parameters_[job.parameter].blocks[job.block].owner = static_cast<int>(least - load.begin());
  }
}

void Executor::form() {
  std::vector<const PlannedParameter*> planned;
  for (auto& parameter : parameters_) {
    planned.push_back(&parameter.planned);
    for (auto& block : parameter.blocks) {
      block.info.scale = parameter.descriptor->scale(parameter.planned.settings, block.info.out, block.info.in);
    }
  }
  std::vector<Group> next;
  for (auto& plan : execution_groups(planned, groups_, registry_, workspace_, machine_)) {
    Group group;
    group.plugin = plugins_.at(plan.descriptor->name).get();
    group.plan = std::move(plan);
    for (const auto& batch : group.plan.batches) group.batches.push_back(stacked(batch));
    next.push_back(std::move(group));
  }
  execution_ = std::move(next);
}

Workspace Executor::peak_workspace() const {
  Workspace most;
  for (const auto& group : execution_) {
    most.peak = std::max(most.peak, group.plan.scratch);
    for (const auto& batch : group.batches) {
      const auto blocks = static_cast<std::int64_t>(batch.plan.entries.size());
      const auto stack = batch.plan.bytes / blocks * static_cast<std::int64_t>(batch.owned.size());
      // Pieces of blocks that others own lie outside the stack.
      std::int64_t pieces = 0;
      for (const auto& entry : batch.plan.entries) {
        const auto& parameter = parameters_[entry.parameter];
        const auto& block = parameter.blocks[entry.block];
        if (block.owner == communicator_.rank()) continue;
        for (const auto& piece : block.geometry.pieces(parameter.rows[static_cast<std::size_t>(communicator_.rank())]))
          pieces += block.geometry.elements(piece);
      }
      pieces *= size_of(batch.plan.work);
      most.stack = std::max(most.stack, stack);
      most.peak = std::max(most.peak, stack + pieces + (stack > 0 ? batch.plan.scratch : 0));
    }
  }
  return most;
}

std::pair<double, double> Executor::rates(const ParameterState& parameter, std::int64_t t) const {
  const auto& group = groups_[parameter.group];
  const auto* lr_schedule = schedule_of(parameter, group, "lr");
  const double factor = lr_schedule == nullptr ? 1.0 : (*lr_schedule)(t);
  const double lr = group.lr * parameter.planned.factors.scale() * factor;
  const auto& table = parameter.descriptor->table;
  const auto* decay_option = table.with_role(OptionRole::weight_decay);
  if (decay_option == nullptr) return {lr, 0.0};
  double coefficient = std::get<double>(*find_option(parameter.planned.settings, decay_option->name));
  if (const auto* schedule = schedule_of(parameter, group, decay_option->name))
    coefficient = (*schedule)(t)*parameter.planned.decay_scale;
  const auto* mode = table.with_role(OptionRole::decay_mode);
  const bool independent =
      mode != nullptr && std::get<std::string>(*find_option(parameter.planned.settings, mode->name)) == "independent";
  return {lr, (independent ? factor : lr) * coefficient};
}

void Executor::step(const StepInput& input) {
  for (auto& parameter : parameters_) {
    if (!parameter.frozen() && (*input.active)[parameter.order] != 0) refresh(parameter);
  }
  for (auto& group : execution_) {
    OptionValues values = group.plan.settings;
    for (const auto& [name, schedule] : group.plan.schedules) *find_option(values, name) = schedule(input.t);
    const auto options = group.plan.descriptor->table.make(values);
    Step step(input.t, input.grad_scale, options.get());
    step.machine = &machine_;
    if (group.plan.descriptor->needs_matrix()) {
      run_stacks(group, input, step);
    } else {
      run_flat(group, input, step);
    }
  }
  for (auto& parameter : parameters_) {
    if (parameter.frozen() || (*input.active)[parameter.order] == 0) continue;
    ++parameter.count;
    if (parameter.master.defined() && parameter.descriptor->traits.unit != Unit::run)
      parameter.stored().copy_(parameter.master);
    if (parameter.host.defined()) parameter.tensor.detach().copy_(parameter.host);
    // Plugins write through raw memory; autograd must learn of it as it does of any in-place operation.
    parameter.tensor.unsafeGetTensorImpl()->bump_version();
  }
}

/// Someone else may have written the parameter since our last step (a loaded model, a swapped average). The version
/// counter does not tell: `data()` bypasses it.
void Executor::refresh(ParameterState& parameter) {
  if (parameter.host.defined()) parameter.host.copy_(parameter.tensor.detach());
  // A master of runs is compared when its runs are assembled.
  if (!parameter.master.defined() || parameter.descriptor->traits.unit == Unit::run) return;
  kernels::adopt_writes(parameter.master, parameter.stored());
}

Piece Executor::piece_of(const ParameterState& parameter, const BlockInfo* block, std::int64_t t) const {
  Piece piece;
  piece.block = block;
  std::tie(piece.lr, piece.decay) = rates(parameter, t);
  piece.count = parameter.count + 1;
  return piece;
}

void Executor::finish_pieces(Group& group, std::vector<Piece>& pieces, const std::vector<std::size_t>& of_parameter,
                             const StepInput& input, const Step& step) {
  if (pieces.empty()) return;
  const auto& name = pieces.front().block->parameter;
  if (input.measure == nullptr) {
    guarded(*group.plan.descriptor, "finish", name, [&] { group.plugin->finish(pieces, step); });
    return;
  }
  // Measuring needs a copy of what is about to change: as many pieces at a time as fit into the workspace.
  for (std::size_t first = 0; first < pieces.size();) {
    std::vector<at::Tensor> before;
    std::int64_t bytes = 0;
    auto last = first;
    for (; last < pieces.size() && (last == first || bytes < workspace_); ++last) {
      const auto& param = pieces[last].param;
      before.push_back(param.to(parameters_[of_parameter[last]].work_dtype(), /*non_blocking=*/false, /*copy=*/true));
      bytes += static_cast<std::int64_t>(before.back().nbytes());
    }
    guarded(*group.plan.descriptor, "finish", pieces[first].block->parameter,
            [&] { group.plugin->finish(Pieces(pieces).subspan(first, last - first), step); });
    for (auto i = first; i < last; ++i) {
      const auto& parameter = parameters_[of_parameter[i]];
      const auto voice = parameter.voice(communicator_.size());
      if (voice < 0 || voice == communicator_.rank())
        input.measure->add(parameter.group, before[i - first], pieces[i].param);
    }
    first = last;
  }
}

}  // namespace switchyard
