#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/parameter_table.h"

namespace switchyard {

/// What a tensor does in its model.
enum class Role : std::uint8_t {
  token_embedding,
  position_table,
  output_head,
  tied_embedding,  ///< a lookup table that is a head as well
  linear,
  fused_qkv,
  fused_gate_up,
  fused_other,  ///< several maps in one matrix, of another kind
  experts,      ///< a batch of linear maps
  dense_conv,
  grouped_conv,
  depthwise_conv,
  stem_conv,
  norm_gain,
  bias,
  router,
  adapter,
  decay_table,
  scalar,
  vector,
  single_row,  ///< 1 x N and N x 1
  other,
};

/// "token embedding", "fused query/key/value".
std::string_view to_string(Role role);

/// A split along `axis`: `equal` parts of one size, or parts with names and sizes; as SpecSplit.
struct RoleSplit {
  int axis = 0;
  std::int64_t equal = 0;
  std::vector<std::pair<std::string, std::int64_t>> parts;
  std::int64_t interleave = 1;
};

/// The role of one tensor with the reason, and for linear maps how its axes form matrices.
struct ParameterRole {
  Role role = Role::other;
  std::string reason;     ///< one sentence without a full stop, free of sizes that differ from layer to layer
  bool assumed = false;   ///< the axes follow torch's convention only: nothing in the model shows them
  bool oriented = false;  ///< the true axes are known
  std::vector<int> batch;
  std::vector<int> out;
  std::vector<int> in;
  bool fused = false;              ///< several linear maps stand in one tensor
  std::optional<RoleSplit> split;  ///< of a fused tensor: the order and sizes that names or module types show
  std::optional<RoleSplit> guess;  ///< of a fused tensor whose layout nothing shows: what a person may fill in

  /// True if a matrix optimizer can be given this tensor as a specialist would: oriented, and split if it is fused.
  bool matrix() const;
};

/// Head counts that only the user knows; they make the layout of per-head interleaved query/key/value tensors known.
struct HeadCounts {
  std::optional<std::int64_t> heads;
  std::optional<std::int64_t> kv_heads;  ///< groups of grouped-query attention; default: heads
};

/// The roles of all tensors, in the order of the table. Decided from shapes, module types, position, repetition over
/// layers, sibling shapes and ties, and from what the words of a name say ("embedding", "router"); never from the name
/// of a model. Where nothing shows what a tensor is, its role is `other`. Head counts are never guessed.
std::vector<ParameterRole> classify(const ParameterTable& table, const HeadCounts& heads = {});

}  // namespace switchyard
