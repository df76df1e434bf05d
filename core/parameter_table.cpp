#include "core/parameter_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>

namespace switchyard {

namespace {

/// Elements of a shape; -1 if it overflows or has a negative size.
std::int64_t checked_numel(const std::vector<std::int64_t>& shape) {
  std::int64_t product = 1;
  bool empty = false;
  for (const auto size : shape) {
    if (size < 0) return -1;
    if (size == 0) empty = true;
    if (!empty && __builtin_mul_overflow(product, size, &product)) return -1;
  }
  return empty ? 0 : product;
}

constexpr auto unbounded = std::numeric_limits<std::int64_t>::max();

/// One past the last element's position relative to the storage; `unbounded` where 63 bits cannot say it.
std::int64_t extent_end(const ParameterInfo& info) {
  auto end = info.storage->offset;
  for (std::size_t axis = 0; axis < info.shape.size() && axis < info.storage->strides.size(); ++axis) {
    std::int64_t step = 0;
    if (__builtin_mul_overflow(info.shape[axis] - 1, info.storage->strides[axis], &step) ||
        __builtin_add_overflow(end, step, &end)) {
      return unbounded;
    }
  }
  return end == unbounded ? end : end + 1;
}

/// Calls visit(position) for each element until it returns false.
template <class Visit>
bool each_position(const ParameterInfo& info, Visit&& visit) {
  std::vector<std::int64_t> index(info.shape.size(), 0);
  // Unsigned: the step past the last element of an axis may leave the range, and is taken back.
  auto position = static_cast<std::uint64_t>(info.storage->offset);
  for (;;) {
    if (!visit(static_cast<std::int64_t>(position))) return false;
    std::size_t axis = info.shape.size();
    for (; axis > 0; --axis) {
      const auto a = axis - 1;
      const auto stride = static_cast<std::uint64_t>(info.storage->strides[a]);
      position += stride;
      if (++index[a] < info.shape[a]) break;
      position -= stride * static_cast<std::uint64_t>(info.shape[a]);
      index[a] = 0;
    }
    if (axis == 0) return true;
  }
}

/// True if two indices certainly mean one element: an axis of stride 0, or two axes with a common multiple of their
/// strides within both sizes.
bool overlaps_itself(const ParameterInfo& info) {
  const auto& shape = info.shape;
  const auto& strides = info.storage->strides;
  if (strides.size() != shape.size()) return false;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (shape[a] < 2) continue;
    if (strides[a] == 0) return true;
    for (std::size_t b = 0; b < a; ++b) {
      if (shape[b] < 2 || strides[a] < 0 || strides[b] < 0) continue;
      const auto common = std::gcd(strides[a], strides[b]);
      // Index strides[b] / common on axis a and strides[a] / common on axis b.
      if (strides[b] / common < shape[a] && strides[a] / common < shape[b]) return true;
    }
  }
  return false;
}

bool share_elements(const ParameterInfo& a, const ParameterInfo& b) {
  const auto end_a = extent_end(a);
  const auto end_b = extent_end(b);
  const auto low = std::max(a.storage->offset, b.storage->offset);
  const auto high = std::min(end_a, end_b);
  if (low >= high) return false;
  if (a.storage->strides.size() != a.shape.size() || b.storage->strides.size() != b.shape.size()) return true;
  // Interleaved views (column slices of one matrix) have overlapping extents without a common element: look at the
  // elements themselves, unless there are so many that a careful "yes" is the better answer.
  constexpr std::int64_t most = std::int64_t{1} << 26;
  const bool many = low < 0 || high - low > most || a.numel() > most || b.numel() > most;
  if (many || end_a == unbounded || end_b == unbounded) return true;
  std::vector<bool> taken(static_cast<std::size_t>(high - low));
  const auto inside = [&](std::int64_t position) { return position >= low && position < high; };
  each_position(a, [&](std::int64_t position) {
    if (inside(position)) taken[static_cast<std::size_t>(position - low)] = true;
    return true;
  });
  return !each_position(
      b, [&](std::int64_t position) { return !inside(position) || !taken[static_cast<std::size_t>(position - low)]; });
}

/// Reports parameters of one storage that share elements without being one view. A sweep in order of offset: only
/// parameters whose extents reach past the next one's start can share elements with it.
void report_overlaps(const std::vector<ParameterInfo>& parameters, std::vector<std::size_t> same,
                     Diagnostics& diagnostics) {
  std::sort(same.begin(), same.end(), [&](std::size_t a, std::size_t b) {
    return std::make_pair(parameters[a].storage->offset, a) < std::make_pair(parameters[b].storage->offset, b);
  });
  std::vector<std::size_t> open;
  for (const auto i : same) {
    const auto& entry = parameters[i];
    open.erase(std::remove_if(open.begin(), open.end(),
                              [&](std::size_t j) { return extent_end(parameters[j]) <= entry.storage->offset; }),
               open.end());
    for (const auto j : open) {
      const auto& other = parameters[j];
      if (!share_elements(other, entry)) continue;
      auto& finding = diagnostics.error(
          "SWY-2103", fmt::format("`{}` {} and `{}` {} are different views of the same elements", other.name(),
                                  to_string(other.shape), entry.name(), to_string(entry.shape)));
      finding.subject = entry.name();
      finding.help = "tie parameters as one view, or make one of them a copy";
    }
    open.push_back(i);
  }
}

}  // namespace

const std::string& ParameterInfo::key() const { return *std::min_element(names.begin(), names.end()); }

std::int64_t ParameterInfo::numel() const { return std::max<std::int64_t>(0, checked_numel(shape)); }

std::string to_string(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

ParameterTable ParameterTable::build(std::vector<ParameterInfo> entries, Diagnostics& diagnostics) {
  ParameterTable table;
  std::map<std::string, std::vector<std::size_t>> by_storage;
  std::unordered_map<std::string, std::size_t> by_view;
  table.parameters_.reserve(entries.size());
  table.by_name_.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto& entry = entries[i];
    if (entry.names.empty() ||
        std::any_of(entry.names.begin(), entry.names.end(), [](const auto& name) { return name.empty(); })) {
      diagnostics.error("SWY-2101", fmt::format("parameter {} of the model has an empty name", i)).help =
          "give every parameter a name";
      continue;
    }
    if (checked_numel(entry.shape) < 0) {
      auto& finding = diagnostics.error(
          "SWY-2104", fmt::format("`{}` has an impossible shape {}", entry.name(), to_string(entry.shape)));
      finding.subject = entry.name();
      finding.help = "sizes must be >= 0 and their product below 2^63";
      continue;
    }
    if (entry.storage && entry.numel() > 0 && overlaps_itself(entry)) {
      auto& finding = diagnostics.error(
          "SWY-2103", fmt::format("`{}` {} with strides {} shows some of its elements more than once", entry.name(),
                                  to_string(entry.shape), to_string(entry.storage->strides)));
      finding.subject = entry.name();
      finding.help = "an expanded tensor cannot be trained: make it a copy of its own";
      continue;
    }
    if (entry.storage && entry.numel() > 0) {
      const auto view = fmt::format("{} {} {} {} {}", entry.storage->offset, to_string(entry.shape),
                                    to_string(entry.storage->strides), entry.dtype_name, entry.storage->id);
      const auto [twin, fresh] = by_view.emplace(view, table.parameters_.size());
      if (!fresh) {
        auto& first = table.parameters_[twin->second];
        if (first.requires_grad != entry.requires_grad) {
          auto& finding = diagnostics.warning(
              "SWY-2105", fmt::format("`{}` and `{}` are one tensor but disagree on requires_grad; it is trained",
                                      first.name(), entry.name()));
          finding.subject = first.name();
          finding.help = "set requires_grad of both alike, or freeze the tensor by a rule";
          first.requires_grad = true;
        }
        for (auto& name : entry.names) {
          if (std::find(first.names.begin(), first.names.end(), name) == first.names.end())
            first.names.push_back(std::move(name));
        }
        continue;
      }
      by_storage[entry.storage->id].push_back(table.parameters_.size());
    }
    table.parameters_.push_back(std::move(entry));
  }
  for (const auto& [id, same] : by_storage) {
    if (same.size() > 1) report_overlaps(table.parameters_, same, diagnostics);
  }
  for (std::size_t i = 0; i < table.parameters_.size(); ++i) {
    for (const auto& name : table.parameters_[i].names) {
      const auto [found, inserted] = table.by_name_.emplace(name, i);
      if (inserted || found->second == i) continue;
      auto& finding = diagnostics.error("SWY-2102", fmt::format("two different tensors are called `{}`", name));
      finding.subject = name;
      finding.help = "names must be unique; tied names must belong to one tensor";
    }
  }
  return table;
}

const ParameterInfo* ParameterTable::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &parameters_[found->second];
}

std::int64_t ParameterTable::numel() const {
  std::int64_t total = 0;
  for (const auto& parameter : parameters_) total += parameter.numel();
  return total;
}

}  // namespace switchyard
