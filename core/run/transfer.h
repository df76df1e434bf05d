#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/run/communicator.h"

namespace switchyard {

/// A set of tensors to move between ranks in one ragged all-to-all. All ranks add the same items in the same order; a
/// rank gives a tensor where it is the source or the destination. The source is packed as it is (any strides), in
/// `dtype`; the destination is written through its strides, converted to its own dtype. What stays on a rank is copied
/// directly.
class Transfer {
 public:
  explicit Transfer(int rank, int size) : rank_(rank), size_(size) {}

  /// `elements` is the number of elements of the item, known to all ranks. `source` and `destination` may be undefined
  /// elsewhere.
  void add(int from, int to, std::int64_t elements, at::ScalarType dtype, const at::Tensor& source,
           const at::Tensor& destination);
  bool empty() const { return items_.empty(); }
  /// Does the exchange (collective, also with nothing to move) and forgets the items.
  void run(Communicator& communicator);

 private:
  struct Item {
    int from;
    int to;
    std::int64_t bytes;
    at::ScalarType dtype;
    at::Tensor source;
    at::Tensor destination;
  };
  int rank_;
  int size_;
  std::vector<Item> items_;
};

}  // namespace switchyard
