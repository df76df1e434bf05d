#include "rules/shard_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/json.h"
#include "rules/reader.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

/// A plain file name, or a path below the folder of the index.
bool stays_inside(const std::string& path) {
  if (path.empty() || path[0] == '/') return false;
  std::size_t begin = 0;
  for (;;) {
    const auto end = path.find('/', begin);
    if (path.substr(begin, end == std::string::npos ? end : end - begin) == "..") return false;
    if (end == std::string::npos) return true;
    begin = end + 1;
  }
}

}  // namespace

bool looks_like_shard_index(std::string_view text) {
  return text.find("\"weight_map\"") != std::string_view::npos &&
         text.find("\"switchyard_manifest\"") == std::string_view::npos;
}

std::optional<ShardIndex> read_shard_index(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  Diagnostics found;
  ShardIndex out;
  const auto json = parse_json(text, file, found);
  if (json) {
    Reader read(text, found);
    const Node root(*json);
    std::optional<Node> map;
    if (json->is(Json::Kind::object)) {
      map = read.require(root, "weight_map", "an index of shards");
    } else {
      read.wrong_type(root, "an index of shards", "an object");
    }
    if (map && !map->json().is(Json::Kind::object)) {
      read.wrong_type(*map, "`weight_map`", "an object of file names");
    } else if (map) {
      out.place = map->key_place();
      std::unordered_set<std::string> seen;
      for (const auto& member : map->json().members()) {
        const Node node(*map, member);
        const auto shard = read.text(node, fmt::format("the file of `{}`", shown(member.key)));
        if (!shard) continue;
        if (!stays_inside(*shard)) {
          read.error("SWY-1013", fmt::format("`{}` is no file beside the index", shown(*shard)), node.place()).help =
              "name a file in the folder of the index";
          continue;
        }
        if (seen.insert(*shard).second) out.shards.push_back(*shard);
        out.entries.push_back({member.key, *shard, node.place()});
      }
      if (out.entries.empty() && !found.has_errors())
        read.error("SWY-1019", "`weight_map` names no tensor", map->place());
    }
  }
  const bool good = json && !found.has_errors();
  diagnostics.append(found);
  if (!good) return std::nullopt;
  return out;
}

void check_shards(const ShardIndex& index, const std::vector<Shard>& shards, Diagnostics& diagnostics) {
  std::unordered_map<std::string, std::vector<const Shard*>> holders;
  std::unordered_map<std::string, const Shard*> by_name;
  for (const auto& shard : shards) {
    by_name[shard.name] = &shard;
    for (const auto& info : shard.parameters) {
      for (const auto& name : info.names) holders[name].push_back(&shard);
    }
  }
  std::unordered_set<std::string> listed;
  for (const auto& entry : index.entries) {
    listed.insert(entry.tensor);
    const auto shard = by_name.find(entry.shard);
    if (shard == by_name.end()) continue;  // could not be read, which has been said
    const auto& in = holders[entry.tensor];
    // In this one and in another: that is a tensor in two files, and the entry is not wrong.
    if (std::find(in.begin(), in.end(), shard->second) != in.end()) continue;
    const auto message =
        in.empty() ? fmt::format("`{}` does not hold the tensor `{}`", printable(entry.shard), printable(entry.tensor))
                   : fmt::format("the tensor `{}` is in `{}`, not in `{}`", printable(entry.tensor),
                                 printable(in[0]->name), printable(entry.shard));
    auto& finding = diagnostics.error("SWY-3011", message, entry.place);
    finding.subject = entry.tensor;
    if (!in.empty()) finding.help = fmt::format("\"{}\"", printable(in[0]->name));
  }
  for (const auto& shard : shards) {
    for (const auto& info : shard.parameters) {
      bool known = false;
      for (const auto& name : info.names) known = known || listed.count(name) > 0;
      if (known) continue;
      diagnostics
          .error("SWY-3011",
                 fmt::format("`{}` holds the tensor `{}`, which the index does not list", printable(shard.name),
                             printable(info.name())),
                 index.place)
          .subject = info.name();
    }
  }
}

std::vector<ParameterInfo> join_shards(std::vector<Shard> shards, Diagnostics& diagnostics) {
  std::vector<ParameterInfo> out;
  std::unordered_map<std::string, std::size_t> owners;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    for (auto& info : shards[i].parameters) {
      bool twice = false;
      for (const auto& name : info.names) {
        const auto [owner, fresh] = owners.emplace(name, i);
        if (fresh || owner->second == i) continue;
        twice = true;
        auto& finding = diagnostics.error(
            "SWY-2102", fmt::format("the tensor `{}` is in two files: `{}` and `{}`", printable(name),
                                    printable(shards[owner->second].name), printable(shards[i].name)));
        finding.subject = name;
        finding.help = "give files that are parts of one model, each once";
      }
      if (twice) continue;
      if (info.storage && shards.size() > 1) info.storage->id = fmt::format("{}:{}", i, info.storage->id);
      out.push_back(std::move(info));
    }
  }
  return out;
}

}  // namespace switchyard
