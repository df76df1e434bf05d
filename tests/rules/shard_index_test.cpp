#include "rules/shard_index.h"

#include <doctest/doctest.h>

using namespace switchyard;

namespace {

ParameterInfo tensor(const std::string& name, const std::string& storage = "") {
  ParameterInfo info;
  info.names = {name};
  info.shape = {2};
  if (!storage.empty()) info.storage = StorageInfo{storage, 0, {1}};
  return info;
}

std::string codes_of(const Diagnostics& found) {
  std::string out;
  for (const auto& item : found.items()) out += (out.empty() ? "" : " ") + item.code;
  return out;
}

std::string read(const std::string& text) {
  Diagnostics found;
  const auto index = read_shard_index(text, "m.index.json", found);
  CHECK(index.has_value() != found.has_errors());
  for (const auto& item : found.items()) CHECK(item.place.span.file == "m.index.json");
  return codes_of(found);
}

std::string check(const std::string& map, const std::vector<Shard>& shards) {
  Diagnostics found;
  const auto index = read_shard_index("{\"weight_map\": " + map + "}", "m.index.json", found);
  REQUIRE(index);
  check_shards(*index, shards, found);
  std::string out;
  for (const auto& item : found.items()) out += (out.empty() ? "" : "; ") + item.message;
  return out;
}

}  // namespace

TEST_CASE("shard index: entries in order, shards each once") {
  Diagnostics found;
  const auto index =
      read_shard_index(R"({"metadata": {"total_size": 8}, "weight_map": {"b": "2.st", "a": "1.st", "c": "2.st"}})",
                       "m.index.json", found);
  REQUIRE(index);
  CHECK(found.empty());
  CHECK(index->shards == std::vector<std::string>{"2.st", "1.st"});
  REQUIRE(index->entries.size() == 3);
  CHECK(index->entries[2].tensor == "c");
  CHECK(index->entries[2].place.pointer == "/weight_map/c");
}

TEST_CASE("shard index: what it may not be") {
  CHECK(read("") == "SWY-1001");
  CHECK(read("[]") == "SWY-1010");
  CHECK(read("{}") == "SWY-1012");
  CHECK(read(R"({"weight_map": []})") == "SWY-1010");
  CHECK(read(R"({"weight_map": {}})") == "SWY-1019");
  CHECK(read(R"({"weight_map": {"a": 1}})") == "SWY-1010");
  CHECK(read(R"({"weight_map": {"a": "1.st", "a": "2.st"}})") == "SWY-1003");
  for (const auto* path : {"", "/etc/x", "../x", "a/../../x", "a/.."})
    CHECK(read(std::string(R"({"weight_map": {"a": ")") + path + "\"}}") == "SWY-1013");
  CHECK(read(R"({"weight_map": {"a": "below/..x"}})").empty());
}

TEST_CASE("shard index: every tensor must be in the shard that is named for it, and be listed") {
  const std::vector<Shard> shards = {{"1", {tensor("a"), tensor("b")}}, {"2", {tensor("c")}}};
  CHECK(check(R"({"a": "1", "b": "1", "c": "2"})", shards).empty());
  CHECK(check(R"({"a": "1", "b": "1", "c": "1"})", shards) == "the tensor `c` is in `2`, not in `1`");
  CHECK(check(R"({"a": "1", "b": "1", "c": "2", "d": "2"})", shards) == "`2` does not hold the tensor `d`");
  CHECK(check(R"({"a": "1", "c": "2"})", shards) == "`1` holds the tensor `b`, which the index does not list");
  // What lies in a shard that could not be read has been said.
  CHECK(check(R"({"a": "1", "b": "1", "c": "2", "x": "3"})", shards).empty());
}

TEST_CASE("shards: a name in two files names both, and storages of two files are not one") {
  Diagnostics found;
  auto joined = join_shards({{"1", {tensor("a", "0")}}, {"2", {tensor("b", "0")}}}, found);
  CHECK(found.empty());
  CHECK(ParameterTable::build(std::move(joined), found).size() == 2);
  joined = join_shards({{"1", {tensor("a", "0"), tensor("b", "0")}}}, found);
  CHECK(ParameterTable::build(std::move(joined), found).size() == 1);
  CHECK(found.empty());
  join_shards({{"1", {tensor("a")}}, {"2", {tensor("a"), tensor("b")}}}, found);
  REQUIRE(codes_of(found) == "SWY-2102");
  CHECK(found.items()[0].message == "the tensor `a` is in two files: `1` and `2`");
}
