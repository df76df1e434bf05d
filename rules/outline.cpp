#include "rules/outline.h"

#include <algorithm>
#include <cctype>

namespace switchyard {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

bool decimal(const std::string& segment) {
  return !segment.empty() && std::all_of(segment.begin(), segment.end(), is_digit);
}
/// "3", "layer1", "block_0".
bool numbered(const std::string& segment) { return !segment.empty() && is_digit(segment.back()); }

std::string joined(const std::vector<std::string>& segments, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += (i > 0 ? "." : "") + segments[i];
  return out;
}

OutlineEntry entry_of(const ParameterInfo& info) {
  OutlineEntry out;
  out.info = &info;
  std::size_t begin = 0;
  for (std::size_t dot = 0; dot != std::string::npos; begin = dot + 1) {
    dot = info.name().find('.', begin);
    out.segments.push_back(info.name().substr(begin, dot == std::string::npos ? dot : dot - begin));
  }
  const auto count = out.segments.size();
  out.leaf = out.segments.back();
  out.owner = joined(out.segments, count - 1);
  out.bare = out.leaf != "weight" && out.leaf != "kernel" && out.leaf != "bias" && out.leaf != "scale";
  // A bare parameter's place is the block that holds it: it has no module of its own.
  out.parent = out.bare ? out.owner : count < 2 ? "" : joined(out.segments, count - 2);
  out.own = out.bare || count < 2 ? out.leaf : out.segments[count - 2];
  for (std::size_t i = 0; i + 2 < count; ++i) {
    if (numbered(out.segments[i])) out.layer = joined(out.segments, i + 1);
  }
  // A block that holds parameters itself: "h.3.A_log" stands in layer 3 as "h.3.norm.weight" does.
  if (out.bare && count >= 2 && decimal(out.segments[count - 2]) && count >= 3) out.layer = out.owner;
  return out;
}

bool norm_like(const OutlineEntry& entry) {
  if (entry.ndim() != 1 || entry.leaf == "bias") return false;
  return entry.info->module.find("Norm") != std::string::npos ||
         has_word(entry.own, {"norm", "layernorm", "ln", "rmsnorm", "norm1", "norm2", "ln1", "ln2"});
}

}  // namespace

std::vector<std::string> words_of(std::string_view segment) {
  std::vector<std::string> out(1);
  for (std::size_t i = 0; i < segment.size(); ++i) {
    const auto c = segment[i];
    if (c == '_' || c == '-') {
      out.emplace_back();
      continue;
    }
    if (is_upper(c) && i > 0 && is_lower(segment[i - 1])) out.emplace_back();
    out.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  out.erase(std::remove(out.begin(), out.end(), std::string()), out.end());
  return out;
}

bool has_word(std::string_view segment, const std::set<std::string>& words) {
  const auto own = words_of(segment);
  return std::any_of(own.begin(), own.end(), [&](const std::string& word) { return words.count(word) > 0; });
}

Outline::Outline(const ParameterTable& table) {
  bool typed = false;
  for (const auto& info : table.parameters()) {
    typed = typed || !info.module.empty();
    entries_.push_back(entry_of(info));
  }
  const auto by_name = [](const ParameterInfo& a, const ParameterInfo& b) { return a.name() < b.name(); };
  ordered_ = typed || !std::is_sorted(table.parameters().begin(), table.parameters().end(), by_name);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto& entry = entries_[i];
    by_parent_[entry.parent].push_back(static_cast<int>(i));
    for (const auto& name : entry.info->names) by_name_[name] = static_cast<int>(i);
    for (std::size_t s = 1; s + 1 < entry.segments.size(); ++s) {
      // The list `P.experts.3` belongs to P; so does `P.experts.expert_3`.
      if (numbered(entry.segments[s]) && s + 2 < entry.segments.size()) {
        lists_[joined(entry.segments, s)].insert(entry.segments[s]);
      }
    }
    if (norm_like(entry)) {
      ++gains_[entry.layer][entry.size(0)];
      ++gains_["*"][entry.size(0)];
      consumed_.insert(entry.size(0));
    }
    if (entry.ndim() == 1 && (norm_like(entry) || entry.leaf == "bias")) channels_.insert(entry.size(0));
    if (entry.ndim() > 2 && !entry.bare) channels_.insert(entry.size(0));
    if (entry.ndim() < 2) continue;
    if (entry.repeated()) consumed_.insert(entry.info->shape.begin(), entry.info->shape.end());
    if (!entry.repeated() && entry.ndim() == 2) consumed_.insert(entry.size(1));
    if (!entry.repeated() && entry.ndim() > 2 && !entry.bare && entry.size(1) > 4) consumed_.insert(entry.size(1));
    if (first_columns_ == 0 && entry.ndim() == 2) first_columns_ = entry.size(1);
  }
}

const std::vector<int>& Outline::in(const std::string& parent) const {
  static const std::vector<int> none;
  const auto found = by_parent_.find(parent);
  return found == by_parent_.end() ? none : found->second;
}

const OutlineEntry* Outline::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[static_cast<std::size_t>(found->second)];
}

std::vector<const OutlineEntry*> Outline::siblings(const OutlineEntry& entry) const {
  std::vector<const OutlineEntry*> out;
  for (const auto i : in(entry.parent)) {
    const auto& other = entries_[static_cast<std::size_t>(i)];
    if (other.info != entry.info && other.ndim() == entry.ndim()) out.push_back(&other);
  }
  for (const auto* nested : {"to_out", "out", "proj"}) {
    const auto* other = find(entry.parent + "." + nested + ".0.weight");
    if (other != nullptr && other->ndim() == entry.ndim()) out.push_back(other);
  }
  return out;
}

const OutlineEntry* Outline::bias_of(const OutlineEntry& entry) const {
  const auto prefix = entry.owner.empty() ? "" : entry.owner + ".";
  if (!entry.bare) return entry.leaf == "bias" ? nullptr : find(prefix + "bias");
  if (const auto* found = find(prefix + entry.leaf + "_bias")) return found;
  const std::string weight = "weight";
  const auto at = entry.leaf.find(weight);  // in_proj_weight has in_proj_bias, weight_ih_l0 has bias_ih_l0
  return at == std::string::npos ? nullptr : find(prefix + std::string(entry.leaf).replace(at, weight.size(), "bias"));
}

std::int64_t Outline::list_length(const std::string& parent) const {
  std::int64_t out = 0;
  const auto prefix = parent.empty() ? "" : parent + ".";
  for (auto found = lists_.lower_bound(prefix); found != lists_.end(); ++found) {
    if (found->first.compare(0, prefix.size(), prefix) != 0) break;
    if (found->first.find('.', prefix.size()) != std::string::npos) continue;
    out = std::max(out, static_cast<std::int64_t>(found->second.size()));
  }
  return out;
}

std::int64_t Outline::width(const OutlineEntry& entry) const {
  for (auto layer = entry.layer;; layer = layer.substr(0, layer.rfind('.'))) {
    const auto found = gains_.find(layer.empty() ? "*" : layer);
    if (found != gains_.end()) {
      const auto& lengths = found->second;
      return std::max_element(lengths.begin(), lengths.end(),
                              [](const auto& a, const auto& b) {
                                // Gains of heads (q_norm, k_norm) may be as many as those of the stream: the longer
                                // win.
                                return std::pair(a.second, a.first) < std::pair(b.second, b.first);
                              })
          ->first;
    }
    if (layer.empty()) return first_columns_;
    if (layer.find('.') == std::string::npos) layer = ".";
  }
}

}  // namespace switchyard
