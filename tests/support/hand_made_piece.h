#pragma once
/// A piece over tensors, as the executor would make it: for tests of formulas without an engine.

#include <ATen/ATen.h>

#include <vector>

#include "core/plugin/elementwise.h"

namespace switchyard::testing {

/// Owns what a Piece only points into. Tensors keep their layouts; all have equal sizes. `stored` undefined: no master.
class HandMadePiece {
 public:
  HandMadePiece(const at::Tensor& param, const at::Tensor& stored, const at::Tensor& grad, const at::Tensor& work,
                const std::vector<at::Tensor>& state, const Numbers& at)
      : tensors_{param, stored, grad, work}, state_tensors_(state), sizes_(param.sizes().vec()) {
    info_.parameter = "hand_made";
    info_.out = param.numel();
    info_.in = 1;
    for (const auto& tensor : tensors_) views_.push_back(view(tensor));
    for (const auto& tensor : state) state_.push_back(view(tensor));
    piece_.block = &info_;
    piece_.sizes = sizes_;
    piece_.numel = param.numel();
    piece_.param = views_[0];
    piece_.stored = views_[1];
    piece_.grad = views_[2];
    piece_.work = views_[3];
    piece_.state = state_;
    piece_.at = at;
  }
  HandMadePiece(const HandMadePiece&) = delete;
  HandMadePiece& operator=(const HandMadePiece&) = delete;

  Piece& piece() { return piece_; }
  Pieces pieces() { return {&piece_, 1}; }

 private:
  static kernels::View view(const at::Tensor& tensor) {
    kernels::View out;
    if (!tensor.defined()) return out;
    // An empty tensor has no memory, and a piece without memory is no operand.
    out.data = tensor.numel() == 0 ? static_cast<void*>(&out) : const_cast<void*>(tensor.const_data_ptr());
    out.dtype = tensor.scalar_type();
    out.strides = tensor.is_contiguous() ? nullptr : tensor.strides().data();
    return out;
  }

  std::vector<at::Tensor> tensors_;
  std::vector<at::Tensor> state_tensors_;
  std::vector<std::int64_t> sizes_;
  std::vector<kernels::View> views_;
  std::vector<kernels::View> state_;
  BlockInfo info_;
  Piece piece_;
};

}  // namespace switchyard::testing
