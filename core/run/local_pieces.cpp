#include "core/run/local_pieces.h"

#include <ATen/ATen.h>

namespace switchyard {

kernels::View view_of(const at::Tensor& tensor, const PieceLayout* layout) {
  kernels::View view;
  auto* first = static_cast<std::byte*>(const_cast<void*>(tensor.const_data_ptr()));
  view.dtype = tensor.scalar_type();
  view.data = layout == nullptr ? first : first + layout->offset * static_cast<std::int64_t>(tensor.element_size());
  view.strides = layout == nullptr ? nullptr : layout->strides.data();
  return view;
}

LocalPieces::Home& LocalPieces::add_home(const ParameterState& parameter) {
  auto& home = homes_.emplace_back();
  home.parameter = &parameter;
  return home;
}

void LocalPieces::fill_state(Home& home, const PieceLayout* layout) {
  const auto& parameter = *home.parameter;
  for (std::size_t s = 0; s < parameter.slots.size(); ++s) {
    auto& view = home.state.emplace_back();
    if (!parameter.slots[s].defined() || parameter.slots[s].numel() == 0) continue;
    view = view_of(parameter.slots[s], layout);
    if (!parameter.descriptor->slots[s].encoded()) continue;
    view.codec = kernels::Codec::absmax_u8;
    view.scales = parameter.scales[s].mutable_data_ptr<float>();
    view.chunk = parameter.descriptor->chunk_length(parameter.planned.settings);
  }
}

void LocalPieces::add(Home& home, Piece piece) {
  piece.state = home.state;
  pieces_.push_back(piece);
  of_parameter_.push_back(home.parameter->order);
  some_.reserve(pieces_.capacity());
  of_some_.reserve(pieces_.capacity());
}

void LocalPieces::add_whole(const ParameterState& parameter, const BlockInfo& info, int rank) {
  const auto stored = parameter.stored();
  if (stored.numel() == 0) return;
  auto& home = add_home(parameter);
  home.param.sizes = stored.sizes().vec();
  home.param.strides = stored.strides().vec();
  fill_state(home, nullptr);
  const auto* layout = stored.is_contiguous() ? nullptr : &home.param;
  Piece piece;
  piece.block = &info;
  piece.sizes = home.param.sizes;
  piece.numel = stored.numel();
  piece.offset = parameter.sharded ? parameter.flat_rows(rank).begin : 0;
  piece.param = view_of(stored, layout);
  if (parameter.master.defined()) {
    piece.stored = piece.param;
    piece.param = view_of(parameter.master);
  }
  add(home, piece);
}

void LocalPieces::add_chunks(const ParameterState& parameter, const BlockInfo& info, const kernels::View& param,
                             const kernels::View& grad, int rank) {
  const auto& owned = parameter.owned[static_cast<std::size_t>(rank)];
  if (owned.size() == 0) return;
  auto& home = add_home(parameter);
  home.own_gradient = !grad;
  home.param.sizes = {owned.size()};
  fill_state(home, nullptr);
  Piece piece;
  piece.block = &info;
  piece.sizes = home.param.sizes;
  piece.numel = owned.size();
  piece.offset = owned.begin;
  piece.grad = grad;
  piece.param = param;
  if (parameter.master.defined()) {
    piece.stored = param;
    piece.param = view_of(parameter.master);
  }
  add(home, piece);
}

void LocalPieces::add_block(const ParameterState& parameter, const BlockState& block, const PieceGeometry& geometry,
                            int rank, const kernels::View& work, const PieceLayout& work_layout) {
  auto& home = add_home(parameter);
  home.block = &block;
  home.geometry = geometry;
  home.rows = parameter.rows_of(rank);
  const auto stored = parameter.stored();
  home.param = block.geometry.in_parameter(stored.strides(), home.rows, geometry);
  home.packed = block.geometry.in_parameter(c10::contiguous_strides(stored.sizes()), home.rows, geometry);
  home.work = work_layout;
  if (parameter.owned.empty()) fill_state(home, &home.packed);
  Piece piece;
  piece.block = &block.info;
  piece.sizes = home.param.sizes;
  piece.numel = block.geometry.elements(geometry);
  piece.offset = block.geometry.offset(geometry);
  piece.param = view_of(stored, &home.param);
  // Masters of chunks lie with the owners of chunks, not with rows: they notice what is stored at the next step.
  if (parameter.master.defined() && parameter.owned.empty()) {
    piece.stored = piece.param;
    piece.param = view_of(parameter.master, &home.packed);
  }
  piece.work = work;
  piece.work.strides = home.work.strides.data();
  piece.at.scale = block.info.scale;
  add(home, piece);
}

/// Where this step's gradient lies in the piece; its layout is made anew only when the gradient's strides have changed.
void LocalPieces::take_gradient(Home& home, Piece& piece) {
  if (!home.own_gradient) return;
  const auto& gradient = home.parameter->gradient;
  if (home.block == nullptr) {
    piece.grad = gradient.view;
    return;
  }
  if (home.layout != gradient.layout || home.grad.strides.empty()) {
    home.grad = home.block->geometry.in_parameter(gradient.strides, home.rows, home.geometry);
    home.layout = gradient.layout;
  }
  piece.grad.dtype = gradient.view.dtype;
  piece.grad.data = static_cast<std::byte*>(gradient.view.data) +
                    home.grad.offset * static_cast<std::int64_t>(c10::elementSize(gradient.view.dtype));
  piece.grad.strides = home.grad.strides.data();
  return;
}

Pieces LocalPieces::update(const char* active, std::span<const Numbers> numbers) {
  all_ = true;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const auto p = of_parameter_[i];
    if (active[p] == 0) {
      all_ = false;
      continue;
    }
    auto& piece = pieces_[i];
    take_gradient(homes_[i], piece);
    piece.at.lr = numbers[p].lr;
    piece.at.decay = numbers[p].decay;
    piece.at.count = numbers[p].count;
    piece.rounds_later = false;
  }
  if (all_) return pieces_;
  some_.clear();
  of_some_.clear();
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    if (active[of_parameter_[i]] == 0) continue;
    some_.push_back(pieces_[i]);
    of_some_.push_back(of_parameter_[i]);
  }
  return some_;
}

std::span<const std::size_t> LocalPieces::parameters() const { return all_ ? of_parameter_ : of_some_; }

}  // namespace switchyard
