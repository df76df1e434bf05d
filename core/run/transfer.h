#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/run/communicator.h"

namespace switchyard {

/// A set of tensors to move between ranks in one ragged all-to-all, as often as wanted. All ranks add the same items in
/// the same order; a rank keeps only those that it is an end of, and gives a tensor where it is. The source is packed
/// as it is (any strides), in `dtype`; the destination is written through its strides, converted to its own dtype. What
/// stays on a rank is copied directly. Buffers are kept from run to run.
class Transfer {
 public:
  static constexpr std::size_t always = std::numeric_limits<std::size_t>::max();

  explicit Transfer(int rank, int size) : rank_(rank), size_(size) {}

  /// `elements` is the number of elements of the item, known to all ranks. `source` and `destination` may be undefined
  /// elsewhere. The item moves only in runs in which `parameter` is active.
  void add(int from, int to, std::int64_t elements, at::ScalarType dtype, const at::Tensor& source,
           const at::Tensor& destination, std::size_t parameter = always);
  bool empty() const { return items_.empty(); }
  void clear() { items_.clear(); }
  /// Does the exchange: collective, also with nothing to move. `active` by parameter, equal on all ranks; null: all.
  void run(Communicator& communicator, const char* active = nullptr);

 private:
  struct Item {
    int from;
    int to;
    std::int64_t bytes;
    at::ScalarType dtype;
    at::Tensor source;
    at::Tensor destination;
    std::size_t parameter;
  };
  int rank_;
  int size_;
  std::vector<Item> items_;
  at::Tensor send_;
  at::Tensor receive_;
  std::vector<std::int64_t> send_bytes_, receive_bytes_, send_at_, receive_at_;
};

}  // namespace switchyard
