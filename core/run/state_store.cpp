#include "core/run/state_store.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "core/run/transfer.h"

namespace switchyard {

namespace {

/// Where an entry lives: a slot of the shard or its scales, an owner's slot of a block, the master, or the count.
struct Location {
  StateEntry entry;
  std::size_t parameter = 0;
  enum class Kind : std::uint8_t { slot, scales, block_slot, master, count } kind = Kind::slot;
  std::size_t slot = 0;
  std::size_t block = 0;
};

std::vector<Location> locations(const std::vector<ParameterState>& parameters) {
  std::vector<Location> out;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& parameter = parameters[i];
    if (parameter.frozen()) continue;
    const auto prefix = parameter.key() + "/";
    const auto& shape = parameter.planned.info.shape;
    const auto& slots = parameter.descriptor->slots;
    const auto chunks = [&] {
      return std::vector<std::int64_t>{
          chunks_of(parameter.planned.info.numel(), parameter.descriptor->chunk_length(parameter.planned.settings))};
    };
    for (std::size_t s = 0; s < slots.size(); ++s) {
      const auto& slot = slots[s];
      if (owner_slot(slot.shape)) {
        const auto dtype = scalar_type(stored_dtype(slot.dtype, parameter.planned.info.dtype));
        for (std::size_t b = 0; b < parameter.blocks.size(); ++b) {
          const auto& info = parameter.blocks[b].info;
          if (info.out == 0 || info.in == 0) continue;  // in no batch, so without slots
          if (!slot.active(parameter.planned.settings, info.out, info.in)) continue;
          const auto name = prefix + slot.name + (info.block.empty() ? "" : "/" + info.block);
          out.push_back(
              {{name, dtype, owner_slot_sizes(slot.shape, info.out, info.in)}, i, Location::Kind::block_slot, s, b});
        }
        continue;
      }
      if (!parameter.slots[s].defined()) continue;
      out.push_back({{prefix + slot.name, parameter.slots[s].scalar_type(),
                      slot.shape == SlotShape::per_chunk ? chunks() : shape},
                     i,
                     Location::Kind::slot,
                     s,
                     0});
      if (slot.encoded())
        out.push_back({{prefix + slot.name + "_scale", at::kFloat, chunks()}, i, Location::Kind::scales, s, 0});
    }
    if (parameter.master.defined())
      out.push_back({{prefix + "master", at::kFloat, shape}, i, Location::Kind::master, 0, 0});
    out.push_back({{prefix + "count", at::kLong, {}}, i, Location::Kind::count, 0, 0});
  }
  std::sort(out.begin(), out.end(), [](const Location& a, const Location& b) { return a.entry.name < b.entry.name; });
  return out;
}

/// This rank's part of a shard-level entry in the flat whole: for chunks whole chunks, else its rows.
FlatRange part(const ParameterState& parameter, const Location& at, int rank) {
  if (parameter.descriptor->traits.unit != Unit::chunk) return parameter.flat_rows(rank);
  const auto& owned = parameter.owned[static_cast<std::size_t>(rank)];
  const bool by_chunk =
      at.kind == Location::Kind::scales ||
      (at.kind == Location::Kind::slot && parameter.descriptor->slots[at.slot].shape == SlotShape::per_chunk);
  if (!by_chunk) return owned;
  const auto chunk = parameter.descriptor->chunk_length(parameter.planned.settings);
  return {chunks_of(owned.begin, chunk), chunks_of(owned.end, chunk)};
}

const at::Tensor& shard_tensor(const ParameterState& parameter, const Location& at) {
  if (at.kind == Location::Kind::master) return parameter.master;
  return at.kind == Location::Kind::scales ? parameter.scales[at.slot] : parameter.slots[at.slot];
}

}  // namespace

std::vector<StateEntry> state_entries(const std::vector<ParameterState>& parameters) {
  std::vector<StateEntry> out;
  for (auto& location : locations(parameters)) out.push_back(std::move(location.entry));
  return out;
}

struct StateGatherer::Locations {
  std::map<std::string, Location> by_name;
};

StateGatherer::StateGatherer(const std::vector<ParameterState>& parameters, Communicator& communicator)
    : parameters_(parameters), communicator_(communicator), locations_(std::make_unique<Locations>()) {
  for (auto& location : locations(parameters)) {
    auto name = location.entry.name;
    locations_->by_name.emplace(std::move(name), std::move(location));
  }
}

StateGatherer::~StateGatherer() = default;

at::Tensor StateGatherer::gather(const std::string& name) {
  const auto& at = locations_->by_name.at(name);
  const auto& parameter = parameters_[at.parameter];
  const int rank = communicator_.rank();
  const auto options = at::TensorOptions().dtype(at.entry.dtype);
  if (at.kind == Location::Kind::count) return rank == 0 ? at::full({}, parameter.count, options) : at::Tensor();

  const auto whole = rank == 0 ? at::empty(at.entry.shape, options) : at::Tensor();
  Transfer transfer(rank, communicator_.size());
  if (at.kind == Location::Kind::block_slot) {
    const auto& block = parameter.blocks[at.block];
    std::int64_t elements = 1;
    for (const auto size : at.entry.shape) elements *= size;
    transfer.add(block.owner, 0, elements, at.entry.dtype, block.owner == rank ? block.slots[at.slot] : at::Tensor(),
                 whole);
  } else {
    const auto flat = rank == 0 ? whole.view(-1) : at::Tensor();
    for (int r = 0; r < (parameter.sharded ? communicator_.size() : 1); ++r) {
      const auto range = part(parameter, at, r);
      transfer.add(r, 0, range.size(), at.entry.dtype, r == rank ? shard_tensor(parameter, at).view(-1) : at::Tensor(),
                   rank == 0 && range.size() > 0 ? flat.narrow(0, range.begin, range.size()) : at::Tensor());
    }
  }
  transfer.run(communicator_);
  return whole;
}

void scatter_state(std::vector<ParameterState>& parameters, int rank,
                   const std::function<at::Tensor(const StateEntry&)>& read) {
  for (const auto& at : locations(parameters)) {
    auto& parameter = parameters[at.parameter];
    const auto whole = read(at.entry);
    switch (at.kind) {
      case Location::Kind::count:
        parameter.count = whole.item<std::int64_t>();
        break;
      case Location::Kind::block_slot: {
        auto& block = parameter.blocks[at.block];
        if (block.owner == rank) block.slots[at.slot].copy_(whole);
        break;
      }
      case Location::Kind::slot:
      case Location::Kind::scales:
      case Location::Kind::master: {
        const auto range = part(parameter, at, rank);
        shard_tensor(parameter, at).view(-1).copy_(whole.view(-1).narrow(0, range.begin, range.size()));
        break;
      }
    }
  }
}

}  // namespace switchyard
