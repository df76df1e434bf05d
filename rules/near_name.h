#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rules/pattern.h"

namespace switchyard {

/// Where a name differs from a glob, if it does so in one segment only: "model.layers.0.attn.weight" from
/// "model.layers.*.attention.weight" in segment 4.
struct SegmentMiss {
  std::size_t segment = 0;   ///< of the name, from 1
  std::string got;           ///< what the name has there
  std::string wanted;        ///< what the glob has there
  std::string corrected;     ///< the glob with the name's segment in it
  std::size_t agreeing = 0;  ///< segments of plain text that the two have in common
  std::size_t distance = 0;  ///< between `got` and `wanted`, in edits
};

/// The dotted segments of a glob, cut at dots outside braces and classes; none of an expression.
std::vector<std::string> glob_segments(const Pattern& pattern);

/// A glob taken apart into its dotted segments. Segments that cross dots ("**", braces with a dot inside) may stand for
/// several segments of a name and are never the one that differs.
class SegmentGlob {
 public:
  /// Expressions ("re:") and globs of more than 32 segments have no segments: nothing is near to them.
  explicit SegmentGlob(const Pattern& pattern);

  /// Nothing if the name matches, differs in more, or has no other segment in common with the glob.
  std::optional<SegmentMiss> miss(const std::string& name) const;

 private:
  struct Segment {
    std::string text;
    std::shared_ptr<const Pattern> pattern;  ///< null for an empty segment
    bool crosses = false;
    bool plain = false;  ///< has a character that is none of `*` and `?`
  };
  bool fits(const Segment& segment, const std::string& text) const;

  std::vector<Segment> segments_;
};

/// The better of two misses: more in common, then fewer edits.
bool better(const SegmentMiss& a, const SegmentMiss& b);

}  // namespace switchyard
