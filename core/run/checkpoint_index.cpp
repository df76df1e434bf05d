#include "core/run/checkpoint_index.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "core/diagnostics.h"
#include "core/error.h"
#include "core/run/atomic_file.h"
#include "core/self_checksum.h"
#include "core/sha256.h"

namespace switchyard {

namespace {

constexpr const char* version_key = "switchyard_checkpoint";
constexpr const char* own_checksum_key = "index_sha256";

std::string read_text(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    throw CheckpointError(fmt::format("there is no checkpoint index {}", path));
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw CheckpointError(fmt::format("cannot read {}", path));
  return text.str();
}

}  // namespace

void CheckpointIndex::write(const std::string& folder, const Json& members) {
  auto index = Json::object();
  index.set(version_key, Json::integer(1));
  index.set(own_checksum_key, blank_checksum());
  for (const auto& member : members.members()) index.set(member.key, member.value);
  auto text = dump_json(index, 1) + "\n";
  const auto checksum = sha256(text);
  const auto at = text.find(blank_checksum());  // the second member: nothing before it looks like it
  text.replace(at, checksum.size(), checksum);
  AtomicFile file(path_in(folder));
  file.write(text);
  file.commit();
}

CheckpointIndex::CheckpointIndex(const std::string& folder) : path_(path_in(folder)) {
  const auto text = read_text(path_);
  Diagnostics diagnostics;
  auto json = parse_json(text, path_, diagnostics);
  if (!json || diagnostics.has_errors()) throw CheckpointError(render(diagnostics, {{path_, text}}));
  json_ = std::move(*json);
  if (integer(json_, version_key) != 1)
    throw CheckpointError(fmt::format("{} has a format version that this build does not know", path_));
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
