#include "rules/roles_model.h"

#include "rules/roles_words.h"

namespace switchyard {

namespace {

/// The name without the numbers of its layer: "blocks..mlp.fc1.weight". Numbers inside a layer tell its maps apart.
std::string in_any_layer(const OutlineEntry& entry) {
  const auto& name = entry.info->name();
  std::string out;
  for (std::size_t i = 0; i < entry.layer.size(); ++i) {
    if (name[i] < '0' || name[i] > '9') out += name[i];
  }
  return out + name.substr(entry.layer.size());
}

}  // namespace

RoleModel::RoleModel(const ParameterTable& table, const HeadCounts& counts) : outline(table), heads(counts) {
  bool conv = false;
  for (std::size_t i = 0; i < outline.entries().size(); ++i) {
    const auto& entry = outline.entries()[i];
    const auto name = in_any_layer(entry);
    alike_[name].push_back(static_cast<int>(i));
    if (entry.ndim() >= 2 || is_norm(entry)) {
      for (const auto size : entry.info->shape) having_axis_[size].insert(name);
    }
    if (entry.ndim() == 2 && entry.leaf != "bias") {
      ++maps_with_axis_[{entry.layer, entry.size(0)}];
      if (entry.size(1) != entry.size(0)) ++maps_with_axis_[{entry.layer, entry.size(1)}];
    }
    if (entry.ndim() == 2 && entry.info->module.empty() && !entry.bare && entry.leaf == "weight") {
      votes[entry.layer] += bias_says(entry);
      votes["*"] += bias_says(entry);
    }
    if (!outline.ordered()) continue;
    if (!conv && looks_like_conv(entry)) {
      conv = true;
      first_conv = entry.info;
    }
    if (entry.ndim() >= 2 && entry.leaf != "bias") last_matrix = entry.info;
    if (entry.info->tied() && entry.ndim() == 2 && is_table(entry))
      tied_head = true;  // then no last matrix is the head
  }
}

bool RoleModel::read_elsewhere(const OutlineEntry& entry, std::int64_t size) const {
  const auto found = having_axis_.find(size);
  if (found == having_axis_.end()) return false;
  return found->second.size() > 1 || found->second.count(in_any_layer(entry)) == 0;
}

const std::vector<int>& RoleModel::alike(const OutlineEntry& entry) const { return alike_.at(in_any_layer(entry)); }

int RoleModel::maps_with_axis(const std::string& layer, std::int64_t size) const {
  const auto found = maps_with_axis_.find({layer, size});
  return found == maps_with_axis_.end() ? 0 : found->second;
}

int RoleModel::bias_says(const OutlineEntry& entry) const {
  const auto* bias = outline.bias_of(entry);
  if (bias == nullptr || bias->ndim() != 1 || entry.size(0) == entry.size(1)) return 0;
  return bias->size(0) == entry.size(0) ? 1 : bias->size(0) == entry.size(1) ? -1 : 0;
}

}  // namespace switchyard
