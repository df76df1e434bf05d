#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "core/plugin/optimizer.h"
#include "core/run/parameter_state.h"

namespace switchyard {

/// What a local phase is called with, made once: a step changes only where gradients lie, and numbers.
class LocalPieces {
 public:
  /// A whole local shard, for plugins that work on elements. `info` and `parameter` outlive this. Nothing is added for
  /// an empty shard.
  void add_whole(const ParameterState& parameter, const BlockInfo& info, int rank);
  /// Packed chunks, for plugins whose unit is a chunk: `param` and `grad` are 1-D and packed. `grad` null: the
  /// parameter's own gradient, which is packed then.
  void add_chunks(const ParameterState& parameter, const BlockInfo& info, const kernels::View& param,
                  const kernels::View& grad, int rank);
  /// A piece of a block. `work` is where it lies in a stack or in memory of its own, with `work_layout`.
  void add_block(const ParameterState& parameter, const BlockState& block, const PieceGeometry& piece, int rank,
                 const kernels::View& work, const PieceLayout& work_layout);

  /// The pieces of active parameters with this step's gradients and numbers. `numbers` by parameter.
  Pieces update(const char* active, std::span<const Numbers> numbers);
  /// Positions in the plan of the parameters of what update() returned last.
  std::span<const std::size_t> parameters() const;
  bool empty() const { return pieces_.empty(); }

 private:
  /// What a piece points into.
  struct Home {
    const ParameterState* parameter = nullptr;
    const BlockState* block = nullptr;  ///< null: the whole shard, or chunks
    PieceGeometry geometry{};
    RowRange rows{};
    bool own_gradient = true;  ///< false: the gradient's view does not change
    std::uint32_t layout = 0;  ///< of the gradient that `grad` was made for
    PieceLayout param, grad, packed, work;
    std::vector<kernels::View> state;
  };
  Home& add_home(const ParameterState& parameter);
  void fill_state(Home& home, const PieceLayout* layout);
  void add(Home& home, Piece piece);
  void take_gradient(Home& home, Piece& piece);

  std::deque<Home> homes_;
  std::vector<Piece> pieces_;
  std::vector<std::size_t> of_parameter_;
  std::vector<Piece> some_;  ///< room for the pieces of a step in which some parameters are inactive
  std::vector<std::size_t> of_some_;
  bool all_ = true;
};

/// A view of a tensor's memory with a piece's layout; `layout` null: the whole, packed tensor. The layout outlives it.
kernels::View view_of(const at::Tensor& tensor, const PieceLayout* layout = nullptr);

}  // namespace switchyard
