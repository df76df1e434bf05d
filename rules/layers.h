#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/diagnostics.h"
#include "core/parameter_table.h"
#include "rules/pattern.h"

namespace switchyard {

/// Where a tensor stands among the layers of its stack; no number: in none.
struct LayerPlace {
  std::optional<std::int64_t> number;
  bool first = false;  ///< in the first block of the stack
  bool last = false;   ///< in the last block
};

/// One row of repeated blocks. A block whose name has i at the place of `{i:int}` is layer i; with `before`, those
/// tensors are layer 0 and block i is layer i + 1. Tensors of `after` are the layer behind the last block.
struct LayerStack {
  std::string index;                    ///< the glob as written
  std::shared_ptr<const Pattern> head;  ///< what stands before {i:int}; null: nothing does
  std::shared_ptr<const Pattern> tail;  ///< what stands behind it; null: nothing does
  std::int64_t count = 0;               ///< number of blocks
  std::vector<std::shared_ptr<const Pattern>> before;
  std::vector<std::shared_ptr<const Pattern>> after;
  Place place;        ///< of `index`
  Place count_place;  ///< of `count`

  /// Splits a glob at its one `{i:int}`; false (and `error`) if it has none, more than one or is broken around it.
  bool compile(const std::string& glob, PatternError& error);
  /// The number that a name has at the place of {i:int}: the first run of digits that fits, if any.
  std::optional<std::int64_t> block(const std::string& name) const;
  /// The place of a name; of a block beyond `count` too.
  LayerPlace of(const std::string& name) const;
};

/// The stacks of a spec. A tensor belongs to the first stack that has one of its names; of several names the bytewise
/// smallest counts.
struct Layers {
  std::vector<LayerStack> stacks;

  LayerPlace of(const ParameterInfo& info) const;
};

/// What the model contradicts: a block beyond `count` (SWY-2031), a stack without blocks (SWY-2032), a count beyond the
/// last block (SWY-2033, a warning).
void check_layers(const Layers& layers, const ParameterTable& table, Diagnostics& diagnostics);

}  // namespace switchyard
