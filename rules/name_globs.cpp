#include "rules/name_globs.h"

#include <algorithm>
#include <map>
#include <set>

namespace switchyard {

namespace {

constexpr std::size_t most_alternatives = 32;  // of one pair of braces; more would not be read

using Segments = std::vector<std::string>;

bool decimal(const std::string& segment) {
  return !segment.empty() && std::all_of(segment.begin(), segment.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string escaped(const std::string& segment) {
  std::string out;
  for (const auto c : segment) {
    if (std::string("*?[]{},\\").find(c) != std::string::npos) out += '\\';
    out += c;
  }
  return out;
}

Segments cut(const std::string& name) {
  Segments out;
  std::size_t begin = 0;
  for (std::size_t dot = 0; dot != std::string::npos; begin = dot + 1) {
    dot = name.find('.', begin);
    out.push_back(name.substr(begin, dot == std::string::npos ? dot : dot - begin));
  }
  return out;
}

std::string joined(const Segments& segments) {
  std::string out;
  for (std::size_t i = 0; i < segments.size(); ++i) out += (i > 0 ? "." : "") + segments[i];
  // "re:" would start an expression.
  return out.rfind("re:", 0) == 0 ? "\\" + out : out;
}

/// A name of which only the numbers matter: its text with every decimal segment made "*".
std::string numberless(const Segments& name) {
  auto out = name;
  for (auto& segment : out) segment = decimal(segment) ? "*" : escaped(segment);
  return joined(out);
}

/// The names of one group that differ in numbers only, and the names of other groups that do so as well.
struct Family {
  std::vector<Segments> names;
  std::vector<Segments> others;
};

bool agree(const Segments& a, const Segments& b, const std::set<std::size_t>& stars) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (stars.count(i) == 0 && a[i] != b[i]) return false;
  }
  return true;
}

/// `names` agree outside `stars`.
std::vector<Segments> globs_of(const std::vector<Segments>& names, const std::vector<Segments>& others,
                               std::set<std::size_t> stars) {
  for (auto star = stars.begin(); star != stars.end();) {
    const auto at = *star;
    const bool varies =
        std::any_of(names.begin(), names.end(), [&](const Segments& name) { return name[at] != names[0][at]; });
    star = varies ? std::next(star) : stars.erase(star);
  }
  const bool clash =
      std::any_of(others.begin(), others.end(), [&](const Segments& other) { return agree(names[0], other, stars); });
  if (!clash || stars.empty()) {
    auto out = names[0];
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = stars.count(i) > 0 ? "*" : escaped(out[i]);
    return {out};
  }
  std::vector<Segments> best;
  for (const auto at : stars) {
    std::map<std::string, std::vector<Segments>> parts;
    for (const auto& name : names) parts[name[at]].push_back(name);
    auto fewer = stars;
    fewer.erase(at);
    std::vector<Segments> found;
    for (const auto& [value, part] : parts) {
      const auto own = globs_of(part, others, fewer);
      found.insert(found.end(), own.begin(), own.end());
    }
    if (best.empty() || found.size() < best.size()) best = std::move(found);
  }
  return best;
}

/// Globs that differ in one segment become one with braces, from the last segment to the first.
std::vector<Segments> merged(std::vector<Segments> globs) {
  std::size_t longest = 0;
  for (const auto& glob : globs) longest = std::max(longest, glob.size());
  for (std::size_t at = longest; at-- > 0;) {
    std::vector<Segments> out;
    std::vector<Segments> alternatives;
    std::map<Segments, std::size_t> known;
    for (const auto& glob : globs) {
      auto rest = glob;
      // A star says more than a brace can hold, so it stays apart.
      const bool fit = at < glob.size() && glob[at] != "*";
      if (fit) rest[at].clear();
      const auto [place, fresh] = known.emplace(rest, out.size());
      if (!fresh && fit && alternatives[place->second].size() < most_alternatives) {
        alternatives[place->second].push_back(glob[at]);
        continue;
      }
      out.push_back(glob);
      alternatives.push_back({fit ? glob[at] : std::string()});
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (alternatives[i].size() < 2) continue;
      std::string braces;
      for (const auto& text : alternatives[i]) braces += (braces.empty() ? "{" : ",") + text;
      out[i][at] = braces + "}";
    }
    globs = std::move(out);
  }
  return globs;
}

}  // namespace

std::string literal_glob(const std::string& name) {
  auto segments = cut(name);
  for (auto& segment : segments) segment = escaped(segment);
  return joined(segments);
}

std::vector<std::vector<std::string>> name_globs(const std::vector<std::vector<std::string>>& groups) {
  // Families by text without numbers, then by group.
  std::map<std::string, std::map<std::size_t, std::vector<Segments>>> families;
  std::vector<std::vector<std::string>> order(groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const auto& name : groups[g]) {
      auto segments = cut(name);
      const auto text = numberless(segments);
      auto& names = families[text][g];
      if (names.empty()) order[g].push_back(text);
      names.push_back(std::move(segments));
    }
  }
  std::vector<std::vector<std::string>> out(groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::vector<Segments> globs;
    for (const auto& text : order[g]) {
      const auto& family = families[text];
      std::vector<Segments> others;
      for (const auto& [group, names] : family) {
        if (group != g) others.insert(others.end(), names.begin(), names.end());
      }
      const auto& names = family.at(g);
      std::set<std::size_t> stars;
      for (std::size_t i = 0; i < names[0].size(); ++i) {
        if (decimal(names[0][i])) stars.insert(i);
      }
      const auto own = globs_of(names, others, std::move(stars));
      globs.insert(globs.end(), own.begin(), own.end());
    }
    for (const auto& glob : merged(std::move(globs))) out[g].push_back(joined(glob));
  }
  return out;
}

}  // namespace switchyard
