#include "rules/near_name.h"

#include <algorithm>
#include <array>

#include "core/diagnostics.h"

namespace switchyard {

namespace {

constexpr std::size_t most_segments = 32;

std::vector<std::string> split(const std::string& name) {
  std::vector<std::string> out = {""};
  for (const char c : name) {
    if (c == '.') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '*' || c == '?' || c == '[' || c == '{' || c == '\\' || c == ',' || c == '}') out += '\\';
    out += c;
  }
  return out;
}

/// The best way to lay the rest of the glob over the rest of the name.
struct Fit {
  bool fits = false;
  std::size_t agreeing = 0;
  int glob = -1;  ///< the segment that differs; -1 if none does
  int name = -1;
};

}  // namespace

std::vector<std::string> glob_segments(const Pattern& pattern) {
  if (pattern.is_regex()) return {};
  const auto& glob = pattern.text();
  std::vector<std::string> out = {""};
  int depth = 0;
  bool in_class = false;
  for (std::size_t i = 0; i < glob.size(); ++i) {
    const char c = glob[i];
    if (c == '\\' && !in_class && i + 1 < glob.size()) {
      out.back() += c;
      out.back() += glob[++i];
      continue;
    }
    if (in_class) {
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}') {
      --depth;
    } else if (c == '.' && depth == 0) {
      out.emplace_back();
      continue;
    }
    out.back() += c;
  }
  return out;
}

SegmentGlob::SegmentGlob(const Pattern& pattern) {
  auto texts = glob_segments(pattern);
  if (texts.size() > most_segments) return;
  for (auto& text : texts) {
    Segment segment;
    segment.crosses = text.find("**") != std::string::npos ||
                      (text.find('{') != std::string::npos && text.find('.') != std::string::npos);
    segment.plain = text.find_first_not_of("*?") != std::string::npos;
    PatternError ignored;
    segment.pattern = Pattern::compile(text.rfind("re:", 0) == 0 ? "\\" + text : text, ignored);
    segment.text = std::move(text);
    segments_.push_back(std::move(segment));
  }
}

bool SegmentGlob::fits(const Segment& segment, const std::string& text) const {
  return segment.pattern == nullptr ? text.empty() : segment.pattern->matches(text);
}

std::optional<SegmentMiss> SegmentGlob::miss(const std::string& name) const {
  const auto parts = split(name);
  const auto globs = segments_.size();
  const auto names = parts.size();
  const bool crosses = std::any_of(segments_.begin(), segments_.end(), [](const Segment& s) { return s.crosses; });
  if (globs == 0 || names > most_segments || names < globs || (!crosses && names != globs)) return std::nullopt;
  // best[spent][i][j]: glob from segment i over name from segment j; `spent`: the one that may differ is behind us.
  std::array<std::vector<Fit>, 2> best;
  for (auto& table : best) table.resize((globs + 1) * (names + 1));
  const auto at = [&](int spent, std::size_t i, std::size_t j) -> Fit& {
    return best[static_cast<std::size_t>(spent)][i * (names + 1) + j];
  };
  at(0, globs, names).fits = at(1, globs, names).fits = true;
  const auto keep = [](Fit& old, Fit next, std::size_t more) {
    if (!next.fits) return;
    next.agreeing += more;
    if (!old.fits || next.agreeing > old.agreeing) old = next;
  };
  for (std::size_t i = globs; i-- > 0;) {
    const auto& segment = segments_[i];
    for (std::size_t j = names; j-- > 0;) {
      if (segment.crosses) {
        std::string text = parts[j];
        for (auto end = j + 1;; ++end) {
          if (fits(segment, text)) {
            for (const int spent : {0, 1}) keep(at(spent, i, j), at(spent, i + 1, end), 0);
          }
          if (end == names) break;
          text += "." + parts[end];
        }
      } else if (fits(segment, parts[j])) {
        for (const int spent : {0, 1}) keep(at(spent, i, j), at(spent, i + 1, j + 1), segment.plain ? 1 : 0);
      } else if (auto next = at(1, i + 1, j + 1); next.fits) {
        next.glob = static_cast<int>(i);
        next.name = static_cast<int>(j);
        keep(at(0, i, j), next, 0);
      }
    }
  }
  const auto& found = at(0, 0, 0);
  if (!found.fits || found.glob < 0 || found.agreeing == 0) return std::nullopt;
  SegmentMiss out;
  out.segment = static_cast<std::size_t>(found.name) + 1;
  out.got = parts[static_cast<std::size_t>(found.name)];
  out.wanted = segments_[static_cast<std::size_t>(found.glob)].text;
  out.agreeing = found.agreeing;
  constexpr std::size_t most_compared = 256;  // the distance takes the product of the lengths
  out.distance = std::max(out.got.size(), out.wanted.size());
  if (out.distance <= most_compared) out.distance = edit_distance(out.got, out.wanted);
  for (std::size_t i = 0; i < globs; ++i) {
    out.corrected += i > 0 ? "." : "";
    out.corrected += static_cast<int>(i) == found.glob ? escaped(out.got) : segments_[i].text;
  }
  return out;
}

bool better(const SegmentMiss& a, const SegmentMiss& b) {
  return a.agreeing != b.agreeing ? a.agreeing > b.agreeing : a.distance < b.distance;
}

}  // namespace switchyard
