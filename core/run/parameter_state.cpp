#include "core/run/parameter_state.h"

#include <ATen/ATen.h>
#include <ATen/MemoryOverlap.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "core/error.h"
#include "core/run/communicator.h"

namespace switchyard {

namespace {

/// "" for a tensor that can be trained in place, else why not.
std::string unfit(const at::Tensor& tensor) {
  if (tensor.layout() != at::kStrided)
    return fmt::format("its layout is {}, expected strided", c10::str(tensor.layout()));
  if (tensor.is_quantized()) return "it is quantized";
  if (tensor.is_inference()) return "it was made in inference mode";
  if (tensor.is_meta()) return "it is on the meta device and has no elements to train";
  if (!tensor.is_leaf()) return "it is not a leaf of the autograd graph";
  if (at::has_internal_overlap(tensor) == at::MemOverlap::Yes)
    return "several of its elements share memory (it is expanded)";
  return "";
}

/// The dtype in the words of plans: "float32", not "Float".
std::string dtype_text(const at::Tensor& tensor) {
  const auto dtype = dtype_of(tensor.scalar_type());
  return dtype == Dtype::other ? std::string(c10::toString(tensor.scalar_type())) : std::string(to_string(dtype));
}

std::vector<std::int64_t> logical_shape(const NamedTensor& named) {
  auto shape = named.tensor.sizes().vec();
  if (named.rows >= 0 && !shape.empty()) shape[0] = named.rows;
  return shape;
}

FlatRange owned_chunks(const FlatRange& rows, std::int64_t chunk, std::int64_t numel) {
  const auto up = [&](std::int64_t at) { return std::min(numel, (at + chunk - 1) / chunk * chunk); };
  const auto begin = up(rows.begin);
  return {begin, std::max(begin, up(rows.end))};
}

/// Every rank's rows of every parameter, through one text each (set-up only).
void exchange_rows(std::vector<ParameterState>& parameters, Communicator& communicator) {
  std::string mine;
  for (const auto& parameter : parameters) {
    const auto& rows = parameter.rows_of(communicator.rank());
    mine += fmt::format("{} {} {} ", parameter.sharded ? 1 : 0, rows.first, rows.last);
  }
  const auto all = communicator.all_gather(mine);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const char* at = all[rank].data();
    const char* end = at + all[rank].size();
    const auto next = [&] {
      std::int64_t value = -1;
      at = std::from_chars(at, end, value).ptr;
      if (at < end) ++at;
      return value;
    };
    for (auto& parameter : parameters) {
      const bool sharded = next() == 1;
      const auto first = next();
      const auto last = next();
      if (sharded != parameter.sharded) {
        throw InvalidParameterError(
            fmt::format("`{}` is row-sharded on some ranks and replicated on others", parameter.name()));
      }
      if (sharded) parameter.rows[rank] = {first, last};
    }
  }
  for (const auto& parameter : parameters) {
    if (!parameter.sharded) continue;
    std::int64_t expected = 0;
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
      const auto& rows = parameter.rows[rank];
      if (rows.size() > 0 && rows.first != expected) {
        throw InvalidParameterError(fmt::format(
            "`{}`: rank {} holds rows {} to {}, expected them to start at {} (each row once, in order of rank)",
            parameter.name(), rank, rows.first, rows.last, expected));
      }
      if (rows.size() > 0) expected = rows.last;
    }
    if (expected != parameter.planned.info.shape[0]) {
      throw InvalidParameterError(fmt::format("`{}`: the ranks hold {} of {} rows", parameter.name(), expected,
                                              parameter.planned.info.shape[0]));
    }
  }
}

void allocate(ParameterState& parameter, Communicator& communicator) {
  const auto rank = static_cast<std::size_t>(communicator.rank());
  const auto& info = parameter.planned.info;
  const auto& descriptor = *parameter.descriptor;
  auto local = info.shape;
  if (!local.empty()) local[0] = parameter.rows_of(communicator.rank()).size();
  const auto chunk = descriptor.chunk_length(parameter.planned.settings);
  if (descriptor.traits.unit == Unit::chunk) {
    for (int r = 0; r < communicator.size(); ++r) {
      parameter.owned.push_back(parameter.sharded ? owned_chunks(parameter.flat_rows(r), chunk, info.numel())
                                                  : FlatRange{0, info.numel()});
    }
    local = {parameter.owned[rank].size()};
  }
  parameter.slots.resize(descriptor.slots.size());
  parameter.scales.resize(descriptor.slots.size());
  for (std::size_t s = 0; s < descriptor.slots.size(); ++s) {
    const auto& slot = descriptor.slots[s];
    if (owner_slot(slot.shape) || !parameter.has_slot(s)) continue;  // owner slots belong to blocks
    const auto dtype = scalar_type(stored_dtype(slot.dtype, info.dtype));
    if (slot.shape == SlotShape::per_chunk) {
      parameter.slots[s] = state_tensor({chunks_of(local[0], chunk)}, dtype, slot.initial);
    } else if (slot.encoded()) {
      parameter.slots[s] = state_tensor(local, at::kByte, 128);  // the code of zero
      parameter.scales[s] = state_tensor({chunks_of(local[0], chunk)}, at::kFloat);
    } else {
      parameter.slots[s] = state_tensor(local, dtype, slot.initial);
    }
  }
  const bool half = info.dtype == Dtype::bfloat16 || info.dtype == Dtype::float16;
  if (descriptor.traits.master && half) parameter.master = state_tensor(local, at::kFloat);
  if (!descriptor.needs_matrix()) return;
  for (const auto& block : parameter.planned.blocks(descriptor)) {
    parameter.blocks.push_back(
        {BlockGeometry(parameter.planned.view, block), {info.name(), block.name, block.out, block.in, block.scale}});
  }
}

/// Host memory for a tensor that kernels cannot work on where it is; none for one on the CPU.
void place(ParameterState& parameter, bool host_copies) {
  if (!host_copies && parameter.tensor.device().is_cpu()) {
    parameter.host.reset();
    return;
  }
  if (!parameter.host.defined())
    parameter.host = at::empty(parameter.tensor.sizes(), at::TensorOptions().dtype(parameter.tensor.scalar_type()));
  parameter.host.copy_(parameter.tensor.detach());
}

/// The tensors of a parameter's names: the first is the one that is trained, the others are its aliases.
struct Named {
  const NamedTensor* first = nullptr;
  std::vector<at::Tensor> aliases;
};

/// Takes the tensors of `planned` out of `by_name`; says what does not fit.
template <class Problem>
Named take_named(const PlannedParameter& planned, std::unordered_map<std::string, const NamedTensor*>& by_name,
                 Problem&& problem) {
  Named out;
  for (const auto& name : planned.info.names) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) continue;
    const auto* given = found->second;
    by_name.erase(found);
    if (out.first == nullptr) {
      out.first = given;
      continue;
    }
    const auto& tensor = given->tensor;
    const auto& first = out.first->tensor;
    if (!tensor.defined() || !first.defined() || tensor.is_same(first)) continue;
    if (tensor.const_data_ptr() != first.const_data_ptr() || tensor.sizes() != first.sizes() ||
        tensor.strides() != first.strides()) {
      problem(fmt::format("`{}` and `{}` are one parameter in the plan but two tensors here", out.first->name, name));
    } else if (std::none_of(out.aliases.begin(), out.aliases.end(),
                            [&](const at::Tensor& known) { return known.is_same(tensor); })) {
      out.aliases.push_back(tensor);
    }
  }
  return out;
}

}  // namespace

at::ScalarType scalar_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
      return at::kFloat;
    case Dtype::float64:
      return at::kDouble;
    case Dtype::bfloat16:
      return at::kBFloat16;
    case Dtype::float16:
      return at::kHalf;
    case Dtype::other:
      break;
  }
  throw InvalidParameterError("only float32, float64, bfloat16 and float16 can be trained");
}

Dtype dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return Dtype::float32;
    case at::kDouble:
      return Dtype::float64;
    case at::kBFloat16:
      return Dtype::bfloat16;
    case at::kHalf:
      return Dtype::float16;
    default:
      return Dtype::other;
  }
}

TensorIdentity TensorIdentity::of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr(), tensor.sizes().vec(), tensor.strides().vec(), tensor.scalar_type(), tensor.device()};
}

std::string TensorIdentity::difference(const at::Tensor& tensor) const {
  if (tensor.layout() != at::kStrided) return "its layout is no longer strided";
  if (tensor.scalar_type() != dtype)
    return fmt::format("dtype {} -> {}", to_string(dtype_of(dtype)), dtype_text(tensor));
  if (tensor.sizes() != at::IntArrayRef(sizes))
    return fmt::format("shape {} -> {}", to_string(sizes), to_string(tensor.sizes().vec()));
  if (tensor.strides() != at::IntArrayRef(strides)) {
    return fmt::format("strides {} -> {}", to_string(strides), to_string(tensor.strides().vec()));
  }
  if (tensor.device() != device) return fmt::format("device {} -> {}", device.str(), tensor.device().str());
  if (tensor.const_data_ptr() != data) return "its elements lie in other memory";
  return "";
}

std::int64_t ParameterState::row_elements() const {
  std::int64_t product = 1;
  for (std::size_t axis = 1; axis < planned.info.shape.size(); ++axis) product *= planned.info.shape[axis];
  return product;
}

FlatRange ParameterState::flat_rows(int rank) const {
  const auto& range = rows_of(rank);
  return {range.first * row_elements(), range.last * row_elements()};
}

at::Tensor state_tensor(at::IntArrayRef sizes, at::ScalarType dtype, double initial) {
  return at::full(sizes, initial, at::TensorOptions().dtype(dtype));
}

ParameterTable table_from_tensors(const std::vector<NamedTensor>& tensors, Diagnostics& diagnostics) {
  std::vector<ParameterInfo> entries;
  for (const auto& named : tensors) {
    if (!named.tensor.defined()) {
      diagnostics.error("SWY-2110", fmt::format("`{}` is an undefined tensor", named.name)).subject = named.name;
      continue;
    }
    if (const auto why = unfit(named.tensor); !why.empty()) {
      diagnostics.error("SWY-2111", fmt::format("`{}` cannot be trained: {}", named.name, why)).subject = named.name;
      continue;
    }
    ParameterInfo info;
    info.names = {named.name};
    info.shape = logical_shape(named);
    info.dtype = dtype_of(named.tensor.scalar_type());
    info.dtype_name = info.dtype == Dtype::other ? std::string(c10::toString(named.tensor.scalar_type()))
                                                 : std::string(to_string(info.dtype));
    info.requires_grad = named.tensor.requires_grad();
    info.module = named.module;
    info.storage = StorageInfo{fmt::format("{}", fmt::ptr(named.tensor.storage().unsafeGetStorageImpl())),
                               named.tensor.storage_offset(), named.tensor.strides().vec()};
    entries.push_back(std::move(info));
  }
  return ParameterTable::build(std::move(entries), diagnostics);
}

std::vector<ParameterState> bind_parameters(const Plan& plan, const std::vector<NamedTensor>& tensors,
                                            const Registry& registry, Communicator& communicator, bool host_copies) {
  std::unordered_map<std::string, const NamedTensor*> by_name;
  std::string problems;
  const auto problem = [&](const std::string& text) { problems += (problems.empty() ? "" : "\n") + text; };
  for (const auto& named : tensors) by_name.emplace(named.name, &named);
  std::vector<ParameterState> parameters;
  parameters.reserve(plan.parameters.size());
  const auto ranks = static_cast<std::size_t>(communicator.size());
  for (const auto& planned : plan.parameters) {
    auto named = take_named(planned, by_name, problem);
    const auto* given = named.first;
    if (given == nullptr) {
      problem(fmt::format("`{}` of the plan is not among the tensors", planned.info.name()));
      continue;
    }
    if (!given->tensor.defined() || !unfit(given->tensor).empty()) {
      problem(fmt::format("`{}` cannot be trained: {}", given->name,
                          given->tensor.defined() ? unfit(given->tensor) : "it is undefined"));
      continue;
    }
    if (logical_shape(*given) != planned.info.shape) {
      problem(fmt::format("`{}` has shape {}, the plan says {}", given->name, to_string(logical_shape(*given)),
                          to_string(planned.info.shape)));
      continue;
    }
    if (dtype_of(given->tensor.scalar_type()) != planned.info.dtype) {
      problem(
          fmt::format("`{}` is {}, the plan says {}", given->name, dtype_text(given->tensor), planned.info.dtype_name));
      continue;
    }
    ParameterState parameter;
    parameter.planned = planned;
    parameter.order = parameters.size();
    parameter.tensor = given->tensor;
    parameter.aliases = std::move(named.aliases);
    parameter.identity = TensorIdentity::of(given->tensor);
    parameter.sharded = given->rows >= 0 && !planned.info.shape.empty();
    const auto all_rows = planned.info.shape.empty() ? 1 : planned.info.shape[0];
    parameter.rows.assign(parameter.sharded ? ranks : 1, {0, all_rows});
    if (parameter.sharded) {
      parameter.rows[static_cast<std::size_t>(communicator.rank())] = {given->first_row,
                                                                       given->first_row + given->tensor.size(0)};
    }
    if (!planned.frozen()) {
      parameter.descriptor = registry.find(planned.plugin);
      if (parameter.descriptor == nullptr || !parameter.descriptor->make) {
        problem(
            fmt::format("`{}` wants plugin `{}`, which this program cannot run", planned.info.name(), planned.plugin));
        continue;
      }
      parameter.group = static_cast<std::size_t>(plan.find_group(planned.optimizer) - plan.groups.data());
    }
    parameters.push_back(std::move(parameter));
  }
  for (const auto& named : tensors) {
    if (by_name.count(named.name) > 0) problem(fmt::format("`{}` is not in the plan", named.name));
  }
  if (!problems.empty()) throw InvalidParameterError(problems);
  exchange_rows(parameters, communicator);
  for (auto& parameter : parameters) {
    if (parameter.frozen()) continue;
    try {
      allocate(parameter, communicator);
    } catch (const c10::Error& error) {
      throw InvalidParameterError(fmt::format("`{}`: the state that plugin `{}` keeps of it cannot be allocated: {}",
                                              parameter.name(), parameter.planned.plugin,
                                              error.what_without_backtrace()));
    }
    place(parameter, host_copies);
    if (!parameter.master.defined()) continue;
    // Chunks of a shard may lie with another rank: that master is filled when they are first brought together.
    if (parameter.descriptor->traits.unit != Unit::chunk) {
      parameter.master.copy_(parameter.stored());
    } else if (!parameter.sharded) {
      parameter.master.copy_(parameter.stored().reshape(-1));
    }
  }
  return parameters;
}

void rebind_parameters(std::vector<ParameterState>& parameters, const std::vector<NamedTensor>& tensors, int rank,
                       bool host_copies) {
  std::unordered_map<std::string, const NamedTensor*> by_name;
  for (const auto& named : tensors) by_name.emplace(named.name, &named);
  std::string problems;
  const auto problem = [&](const std::string& text) { problems += (problems.empty() ? "" : "\n") + text; };
  std::vector<Named> found;
  found.reserve(parameters.size());
  for (const auto& parameter : parameters) {
    found.push_back(take_named(parameter.planned, by_name, problem));
    const auto* given = found.back().first;
    if (given == nullptr || !given->tensor.defined()) {
      problem(fmt::format("`{}` is not among the tensors", parameter.name()));
      continue;
    }
    if (const auto why = unfit(given->tensor); !why.empty())
      problem(fmt::format("`{}` cannot be trained: {}", given->name, why));
    const auto& held = parameter.rows_of(rank);
    const auto rows = parameter.sharded ? RowRange{given->first_row, given->first_row + given->tensor.size(0)} : held;
    if (logical_shape(*given) != parameter.planned.info.shape || rows != held)
      problem(fmt::format("`{}` has another shape or other rows than before", given->name));
    if (const auto dtype = dtype_of(given->tensor.scalar_type()); dtype != parameter.planned.info.dtype) {
      problem(
          fmt::format("`{}` is {}, the plan says {}: a dtype belongs to the plan; make a new plan and optimizer and "
                      "load the state with convert_dtype",
                      given->name, dtype_text(given->tensor), parameter.planned.info.dtype_name));
    }
  }
  if (!problems.empty()) throw InvalidParameterError(problems);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    auto& parameter = parameters[i];
    parameter.tensor = found[i].first->tensor;
    parameter.aliases = std::move(found[i].aliases);
    parameter.identity = TensorIdentity::of(parameter.tensor);
    parameter.gradient = {};
    if (parameter.frozen()) continue;
    parameter.host.reset();
    place(parameter, host_copies);
  }
}

bool ParameterState::requires_grad() const {
  return tensor.requires_grad() ||
         std::any_of(aliases.begin(), aliases.end(), [](const at::Tensor& alias) { return alias.requires_grad(); });
}

}  // namespace switchyard
