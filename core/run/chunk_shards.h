#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "core/run/local_pieces.h"
#include "core/run/transfer.h"

namespace switchyard {

/// Brings whole chunks of parameters and gradients to the ranks that own them, packed, and parameters back, for plugins
/// whose unit is a chunk. On one rank packed parameters are worked on where they are.
class ChunkShards {
 public:
  ChunkShards(int rank, int ranks) : rank_(rank), there_(rank, ranks), back_(rank, ranks) {}

  /// Adds a parameter and its piece. Both outlive this.
  void add(ParameterState& parameter, const BlockInfo& info, LocalPieces& pieces);
  /// Fills packed copies and exchanges (collective if any parameter is sharded).
  void gather(Communicator& communicator, const char* active);
  /// Parameters back to where they are stored.
  void scatter(Communicator& communicator, const char* active);

 private:
  struct Copies {
    ParameterState* parameter;
    at::Tensor stored;       ///< as it lies, where it is not packed; undefined otherwise
    PieceLayout layout;      ///< of `stored`
    at::Tensor param;        ///< packed, of this rank's chunks; undefined where the stored tensor serves
    at::Tensor local_param;  ///< packed, of this rank's rows; undefined likewise
    at::Tensor local_grad;
  };
  int rank_;
  bool moves_ = false;
  std::deque<Copies> copies_;
  std::vector<at::Tensor> grads_;  ///< of this rank's chunks: views in pieces point here
  Transfer there_;
  Transfer back_;
};

}  // namespace switchyard
