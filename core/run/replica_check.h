#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/run/communicator.h"
#include "kernels/view.h"

/// Whether all ranks hold the same, told by sums alone: ranks have equal hashes h exactly where R sum(h^2) = sum(h)^2
/// (Cauchy-Schwarz), so every rank comes to the same answer from one all-reduce.
namespace switchyard {

/// A hash cut to as many bits as R squares of it and their differences fit an int64 with: never negative.
std::int64_t short_hash(std::uint64_t hash, int ranks);

/// True if the R hashes behind these sums are all equal.
bool all_equal(std::int64_t sum, std::int64_t squares, int ranks);

/// Hash of the values in logical order, whatever their strides; of the bits, so that 0 and -0 differ.
std::uint64_t hash_of_elements(const kernels::View& view, at::IntArrayRef sizes, at::IntArrayRef strides);

/// What differs on this rank's side.
struct ReplicaDifference {
  std::string parameter;
  std::string what;  ///< "gradient" or "value"
  std::int64_t hash = 0;
};

/// A sentence a difference, with the ranks that have another hash than most; collective, with equal lists on all ranks.
std::string describe_differences(const std::vector<ReplicaDifference>& differences, std::size_t more,
                                 Communicator& communicator);

}  // namespace switchyard
