#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rules/outline.h"
#include "rules/roles.h"

namespace switchyard {

/// What `classify` finds out about a model as a whole before it looks at single tensors.
struct RoleModel {
  /// `table` must outlive it.
  RoleModel(const ParameterTable& table, const HeadCounts& heads);

  /// True if a matrix, a convolution or a gain other than `entry` and its likes in other layers has an axis of this
  /// size: something may read these outputs.
  bool read_elsewhere(const OutlineEntry& entry, std::int64_t size) const;
  /// Tensors whose names differ from this one's in the numbers of the layer only, itself included; numbers in
  /// `outline.entries()`.
  const std::vector<int>& alike(const OutlineEntry& entry) const;
  /// Matrices of a layer that have an axis of this size.
  int maps_with_axis(const std::string& layer, std::int64_t size) const;
  /// +1: the outputs are axis 0, -1: axis 1, 0: the bias does not show it (or there is none).
  int bias_says(const OutlineEntry& entry) const;

  Outline outline;
  HeadCounts heads;
  /// Files without module types: how matrices are stored, by their biases. Layer (or "*") -> [out, in] minus [in, out].
  std::map<std::string, int> votes;
  const ParameterInfo* first_conv = nullptr;
  const ParameterInfo* last_matrix = nullptr;
  bool tied_head = false;  ///< a lookup table is a head too

 private:
  std::map<std::string, std::vector<int>> alike_;              ///< by the name without the layer's numbers
  std::map<std::int64_t, std::set<std::string>> having_axis_;  ///< size -> such names
  std::map<std::pair<std::string, std::int64_t>, int> maps_with_axis_;
};

/// Parts of `classify`, by the kind of tensor. Each fills the role of one tensor.
void conv_role(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role);
/// Two axes that are no bias, gain or adapter.
void matrix_role(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role);
/// Three axes that are no convolution: experts, or a table.
void batch_role(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role);

inline void say(ParameterRole& role, Role what, std::string reason) {
  role.role = what;
  role.reason = std::move(reason);
}
inline void orient(ParameterRole& role, std::vector<int> out, std::vector<int> in) {
  role.oriented = true;
  role.out = std::move(out);
  role.in = std::move(in);
}

}  // namespace switchyard
