#include "core/run/replica_check.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cstring>
#include <map>
#include <sstream>

namespace switchyard {

std::int64_t short_hash(std::uint64_t hash, int ranks) {
  const int log = std::bit_width(static_cast<unsigned>(ranks - 1));  // ranks <= 2^log
  return static_cast<std::int64_t>(hash >> (64 - (62 - 2 * log) / 2));
}

bool all_equal(std::int64_t sum, std::int64_t squares, int ranks) {
  return static_cast<std::uint64_t>(ranks) * static_cast<std::uint64_t>(squares) ==
         static_cast<std::uint64_t>(sum) * static_cast<std::uint64_t>(sum);
}

std::uint64_t hash_of_elements(const kernels::View& view, at::IntArrayRef sizes, at::IntArrayRef strides) {
  const auto tensor = at::from_blob(view.data, sizes, strides, at::TensorOptions().dtype(view.dtype)).contiguous();
  const auto bytes = static_cast<std::size_t>(tensor.nbytes());
  const auto* data = static_cast<const unsigned char*>(tensor.const_data_ptr());
  std::uint64_t state = 0x9e3779b97f4a7c15ULL ^ bytes;
  for (std::size_t at = 0; at < bytes; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + at, std::min<std::size_t>(8, bytes - at));
    state = std::rotl(state ^ word, 29) * 0xbf58476d1ce4e5b9ULL;
  }
  state = (state ^ (state >> 30)) * 0x94d049bb133111ebULL;
  return state ^ (state >> 31);
}

std::string describe_differences(const std::vector<ReplicaDifference>& differences, std::size_t more,
                                 Communicator& communicator) {
  std::string mine;
  for (const auto& difference : differences) mine += fmt::format("{} ", difference.hash);
  std::vector<std::vector<std::int64_t>> hashes;  // by rank, by difference
  for (const auto& text : communicator.all_gather(mine)) {
    std::istringstream in(text);
    auto& row = hashes.emplace_back();
    for (std::int64_t hash = 0; in >> hash;) row.push_back(hash);
  }
  std::string out;
  for (std::size_t d = 0; d < differences.size(); ++d) {
    std::map<std::int64_t, std::vector<std::size_t>> by_hash;
    for (std::size_t rank = 0; rank < hashes.size(); ++rank) by_hash[hashes[rank].at(d)].push_back(rank);
    const std::vector<std::size_t>* most = nullptr;
    for (const auto& [hash, ranks] : by_hash) {
      if (most == nullptr || ranks.size() > most->size() || (ranks.size() == most->size() && ranks[0] < (*most)[0]))
        most = &ranks;
    }
    std::vector<std::size_t> others;
    for (std::size_t rank = 0; rank < hashes.size(); ++rank) {
      if (std::find(most->begin(), most->end(), rank) == most->end()) others.push_back(rank);
    }
    out += fmt::format("{}`{}` is replicated, but its {} on rank {} is not that of rank {}", out.empty() ? "" : "\n",
                       differences[d].parameter, differences[d].what, fmt::join(others, ", "), most->front());
  }
  if (more > 0) out += fmt::format("\nand {} more", more);
  return out +
         "\n(whoever calls step averages gradients over the ranks first: the engine does not; replicas must start "
         "equal)";
}

}  // namespace switchyard
