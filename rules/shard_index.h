#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostics.h"
#include "core/parameter_table.h"

namespace switchyard {

/// The index of a model that lies in several files, as transformers writes it:
///   {"metadata"?: object, "weight_map": {tensor name: file name*}}, beside the files that it names.
struct ShardIndex {
  struct Entry {
    std::string tensor;
    std::string shard;
    Place place;  ///< of the shard's name
  };
  std::vector<Entry> entries;       ///< in the order of the file
  std::vector<std::string> shards;  ///< each once, in the order of first use
  Place place;                      ///< of `weight_map`
};

/// What a file that is one part of a model holds.
struct Shard {
  std::string name;  ///< as the index has it, or as it is shown
  std::vector<ParameterInfo> parameters;
};

/// True for a text that has the key of an index and not that of a manifest.
bool looks_like_shard_index(std::string_view text);

/// Reads an index; wrong types, missing keys, duplicate tensors and file names that lead out of its folder are
/// reported, and then nothing is returned.
std::optional<ShardIndex> read_shard_index(std::string_view text, const std::string& file, Diagnostics& diagnostics);

/// The index and the shards that could be read must agree: a tensor that is not in the shard named for it, or in a
/// shard without being listed, is SWY-3011. Shards that are not in `shards` are left out.
void check_shards(const ShardIndex& index, const std::vector<Shard>& shards, Diagnostics& diagnostics);

/// All parts as one list. A name in two of them is SWY-2102 and names both. With several parts, storages get the number
/// of their part: storage "0" of one file is not that of another.
std::vector<ParameterInfo> join_shards(std::vector<Shard> shards, Diagnostics& diagnostics);

}  // namespace switchyard
