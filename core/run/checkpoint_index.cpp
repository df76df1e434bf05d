#include "core/run/checkpoint_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/diagnostics.h"
#include "core/error.h"
#include "core/regular_file.h"
#include "core/run/atomic_file.h"
#include "core/self_checksum.h"
#include "core/sha256.h"

namespace switchyard {

namespace {

constexpr const char* version_key = "switchyard_checkpoint";
constexpr std::int64_t format_version = 1;
constexpr const char* own_checksum_key = "index_sha256";

/// Most bytes of an index: about a million parameters.
constexpr std::size_t index_limit = std::size_t{1} << 30;

std::string read_text(const std::string& path) {
  const RegularFile file(path);
  if (!file.good()) throw CheckpointError(fmt::format("there is no checkpoint index {}: {}", path, file.problem()));
  auto text = file.read_at(0, std::min(file.size(), static_cast<std::int64_t>(index_limit) + 1));
  if (text.empty()) throw CheckpointError(fmt::format("{} is empty or cannot be read", path));
  return text;
}

}  // namespace

std::string CheckpointIndex::text(const Json& members) {
  auto index = Json::object();
  index.set(version_key, Json::integer(format_version));
  index.set(own_checksum_key, blank_checksum());
  for (const auto& member : members.members()) index.set(member.key, member.value);
  auto text = dump_json(index, 1) + "\n";
  const auto checksum = sha256(text);
  const auto at = text.find(blank_checksum());  // the second member: nothing before it looks like it
  text.replace(at, checksum.size(), checksum);
  return text;
}

void CheckpointIndex::write(const std::string& folder, const Json& members) {
  AtomicFile file(path_in(folder));
  file.write(text(members));
  file.commit();
}

CheckpointIndex::CheckpointIndex(const std::string& folder) : path_(path_in(folder)) { read(read_text(path_)); }

CheckpointIndex::CheckpointIndex(const std::string& text, std::string name) : path_(std::move(name)) { read(text); }

void CheckpointIndex::read(const std::string& text) {
  Diagnostics diagnostics;
  JsonLimits limits;
  limits.bytes = index_limit;
  limits.values = 100'000'000;
  auto json = parse_json(text, path_, diagnostics, limits);
  if (!json || diagnostics.has_errors()) throw CheckpointError(render(diagnostics, {{path_, text}}));
  json_ = std::move(*json);
  if (const auto version = integer(json_, version_key); version != format_version) {
    throw CheckpointError(
        fmt::format("{} has the format version {}, and this build knows {}: another version of Switchyard wrote it",
                    path_, version, format_version));
  }
  const auto& stored = get(json_, own_checksum_key, Json::Kind::string);
  if (const auto found = self_checksum(text, stored.span()); found != stored.as_string()) {
    throw CheckpointError(fmt::format("{} is damaged or was edited: its text has the checksum {}, it says {}", path_,
                                      found, stored.as_string()));
  }
}

const Json& CheckpointIndex::get(const Json& object, const char* key, Json::Kind kind) const {
  const auto* value = object.find(key);
  if (value == nullptr || !value->is(kind))
    throw CheckpointError(fmt::format("{}: `{}` is missing or has the wrong type", path_, key));
  return *value;
}

std::int64_t CheckpointIndex::integer(const Json& object, const char* key) const {
  return get(object, key, Json::Kind::integer).as_int();
}

std::string CheckpointIndex::string(const Json& object, const char* key) const {
  return get(object, key, Json::Kind::string).as_string();
}

std::int64_t CheckpointIndex::count(const char* key) const {
  const auto value = integer(json_, key);
  if (value < 0) throw CheckpointError(fmt::format("{}: `{}` is {}, expected a number >= 0", path_, key, value));
  return value;
}

}  // namespace switchyard
