#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "rules/layers.h"
#include "rules/pattern.h"
#include "rules/where.h"

namespace switchyard {

/// A condition on a whole number: any of its ranges holds. Written 2, "*", ">=2", "<=2", ">2", "<2", "!=2", "2..4" or a
/// list.
struct IntCondition {
  struct Range {
    std::int64_t low = std::numeric_limits<std::int64_t>::min();
    std::int64_t high = std::numeric_limits<std::int64_t>::max();
  };
  std::vector<Range> ranges;
  std::string text;  ///< as people read it: "2", "<=1", "2 or 4"

  bool holds(std::int64_t value) const;
};

/// Conditions on the sizes of a shape, axis by axis; `ellipsis` is the place of "..." (any number of axes) or -1.
struct ShapeCondition {
  std::vector<IntCondition> sizes;
  int ellipsis = -1;
  std::string text;  ///< "[*, 768]"

  bool holds(const std::vector<std::int64_t>& shape) const;
  bool allows_ndim(std::int64_t ndim) const;
};

/// A condition on the layer of a tensor: one of its numbers, "first" or "last" (block of its stack). A tensor without a
/// layer meets none.
struct LayerCondition {
  IntCondition numbers;
  bool first = false;
  bool last = false;
  std::string text;  ///< ">=12", "first or last"

  bool holds(const LayerPlace& place) const;
};

/// A conjunction of predicates. Patterns are numbers in Spec::patterns, so that equal patterns are matched once.
/// A tied tensor matches `name` if any of its names does, and `tie_with` if another of its names does.
struct Match {
  std::vector<int> names;
  std::optional<IntCondition> ndim;
  std::optional<ShapeCondition> shape;
  std::optional<IntCondition> numel;
  std::vector<std::string> dtypes;  ///< torch's names, without "torch."
  std::vector<std::string> modules;
  std::optional<bool> tied;
  std::vector<int> tie_with;  ///< patterns
  std::optional<LayerCondition> layer;
  std::shared_ptr<const Where> where;
  std::vector<Match> all;
  std::vector<Match> any;
  std::vector<Match> none;  ///< `not`: zero or one
  Place place;
  Place name_place;

  bool empty() const {
    return names.empty() && !ndim && !shape && !numel && dtypes.empty() && modules.empty() && !tied &&
           tie_with.empty() && !layer && !where && all.empty() && any.empty() && none.empty();
  }
};

/// Patterns of one spec, each text once.
using PatternList = std::vector<std::shared_ptr<const Pattern>>;

/// A parameter and which patterns match one of its names.
struct Subject {
  const ParameterInfo& info;
  const PatternList& patterns;
  const std::vector<char>& hits;  ///< one an element of `patterns`
  LayerPlace layer = {};
};

/// The hits of every pattern on these names, one by one: for a few parameters; MatchIndex is for many.
std::vector<char> pattern_hits(const PatternList& patterns, const std::vector<std::string>& names);

bool holds(const Match& match, const Subject& subject);

/// What matched: "name transformer.h.**, ndim 2".
std::string why(const Match& match, const Subject& subject);
/// The first reason against: "name: no pattern matches", "ndim 2, wants <=1". Call only if `holds` is false.
std::string why_not(const Match& match, const Subject& subject);

/// True if a `name` occurs anywhere inside.
bool looks_at_names(const Match& match);
/// True if the answer depends on more than which patterns hit: a `tie_with` occurs anywhere inside.
bool looks_at_ties(const Match& match);
/// True if a `layer` or a `where` over layers occurs anywhere inside.
bool looks_at_layers(const Match& match);
/// Patterns of which at least one must hit for the match to hold; empty if there is no such set.
std::vector<int> anchors(const Match& match);

}  // namespace switchyard
