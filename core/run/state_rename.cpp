#include "core/run/state_rename.h"

#include <fmt/format.h>

#include "core/error.h"

namespace switchyard {

namespace {

bool is_beginning(const std::string& text) { return text.empty() || text.back() == '.'; }

}  // namespace

Renames::Renames(const std::vector<std::pair<std::string, std::string>>& pairs) {
  for (const auto& [from, to] : pairs) {
    if (is_beginning(from) != is_beginning(to) || (from.empty() && to.empty())) {
      throw CheckpointError(fmt::format(
          "LoadOptions::rename: `{}` -> `{}`: expected two names, or two beginnings that end with a dot (one may be "
          "empty)",
          from, to));
    }
    pairs_.push_back({from, to, is_beginning(from), 0});
  }
}

std::string Renames::of(const std::string& name) {
  for (auto& pair : pairs_) {
    const bool matches = pair.beginning ? name.compare(0, pair.from.size(), pair.from) == 0 : name == pair.from;
    if (!matches) continue;
    ++pair.matched;
    return pair.beginning ? pair.to + name.substr(pair.from.size()) : pair.to;
  }
  return name;
}

std::vector<std::string> Renames::idle() const {
  std::vector<std::string> out;
  for (const auto& pair : pairs_) {
    if (pair.matched == 0) out.push_back(fmt::format("`{}` -> `{}`", pair.from, pair.to));
  }
  return out;
}

}  // namespace switchyard
