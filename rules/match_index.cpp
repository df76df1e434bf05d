#include "rules/match_index.h"

#include <algorithm>

namespace switchyard {

namespace {

/// Bytes of plain text that are indexed at most; a spec beyond that is still right, only slower.
constexpr std::size_t most_literal_bytes = std::size_t{1} << 20;
/// Remembered answers, in words of 8 bytes.
constexpr std::size_t most_known_words = std::size_t{1} << 23;

void append_raw(std::string& key, std::int64_t value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

MatchIndex::MatchIndex(const PatternList& patterns, std::vector<Entry> entries, const ParameterTable& table,
                       const Layers* layers)
    : patterns_(patterns), entries_(std::move(entries)), by_pattern_(patterns.size()), hits_(patterns.size(), 0) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto& entry = entries_[i];
    const auto id = static_cast<int>(i);
    if (!entry.enabled) continue;
    ties_matter_ =
        ties_matter_ || looks_at_ties(*entry.match) || (entry.except != nullptr && looks_at_ties(*entry.except));
    if (looks_at_layers(*entry.match) || (entry.except != nullptr && looks_at_layers(*entry.except))) layers_ = layers;
    auto found = anchors(*entry.match);
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (found.empty()) unanchored_.push_back(id);
    for (const auto pattern : found) by_pattern_[static_cast<std::size_t>(pattern)].push_back(id);
  }
  index_patterns(table);
}

void MatchIndex::index_patterns(const ParameterTable& table) {
  struct Wanted {
    Branch branch;
    const std::vector<std::string>* required;
  };
  std::vector<Wanted> wanted;
  for (std::size_t p = 0; p < patterns_.size(); ++p) {
    const auto& pattern = *patterns_[p];
    const auto id = static_cast<int>(p);
    if (pattern.is_regex()) wanted.push_back({{id, -1}, &pattern.required()});
    for (std::size_t b = 0; b < pattern.branches().size(); ++b) {
      const auto& branch = pattern.branches()[b];
      if (branch.literal()) {
        exact_[branch.text()].push_back(id);
      } else {
        wanted.push_back({{id, static_cast<int>(b)}, &branch.required()});
      }
    }
  }

  std::unordered_map<std::string, std::size_t> numbers;
  std::vector<std::string> texts;
  std::size_t bytes = 0;
  for (const auto& want : wanted) {
    for (const auto& text : *want.required) {
      if (bytes + text.size() > most_literal_bytes || !numbers.emplace(text, texts.size()).second) continue;
      bytes += text.size();
      texts.push_back(text);
    }
  }
  literals_ = LiteralSet(texts);
  literal_seen_.assign(texts.size(), 0);
  std::vector<std::size_t> frequency(texts.size(), 0);
  if (!texts.empty()) {
    for (const auto& info : table.parameters()) {
      for (const auto& name : info.names) {
        ++stamp_;
        literals_.find(name, [&](std::int32_t literal) {
          const auto i = static_cast<std::size_t>(literal);
          if (literal_seen_[i] == stamp_) return;
          literal_seen_[i] = stamp_;
          ++frequency[i];
        });
      }
    }
  }

  by_literal_.resize(texts.size());
  for (const auto& want : wanted) {
    const std::size_t none = texts.size();
    auto rarest = none;
    for (const auto& text : *want.required) {
      const auto found = numbers.find(text);
      if (found != numbers.end() && (rarest == none || frequency[found->second] < frequency[rarest]))
        rarest = found->second;
    }
    (rarest == none ? always_ : by_literal_[rarest]).push_back(want.branch);
  }
}

void MatchIndex::try_branch(const Branch& branch, const std::string& name) {
  const auto p = static_cast<std::size_t>(branch.pattern);
  if (hits_[p] != 0) return;
  const auto& pattern = *patterns_[p];
  const bool hit = branch.branch < 0 ? pattern.matches(name)
                                     : pattern.branches()[static_cast<std::size_t>(branch.branch)].matches(name);
  if (!hit) return;
  hits_[p] = 1;
  hit_list_.push_back(branch.pattern);
}

void MatchIndex::find_hits(const std::vector<std::string>& names) {
  for (const auto pattern : hit_list_) hits_[static_cast<std::size_t>(pattern)] = 0;
  hit_list_.clear();
  for (const auto& name : names) {
    if (const auto found = exact_.find(name); found != exact_.end()) {
      for (const auto pattern : found->second) {
        if (hits_[static_cast<std::size_t>(pattern)] != 0) continue;
        hits_[static_cast<std::size_t>(pattern)] = 1;
        hit_list_.push_back(pattern);
      }
    }
    for (const auto& branch : always_) try_branch(branch, name);
    if (by_literal_.empty()) continue;
    ++stamp_;
    literals_.find(name, [&](std::int32_t literal) {
      const auto i = static_cast<std::size_t>(literal);
      if (literal_seen_[i] == stamp_) return;
      literal_seen_[i] = stamp_;
      for (const auto& branch : by_literal_[i]) try_branch(branch, name);
    });
  }
}

bool MatchIndex::judge(int entry, const Subject& subject) const {
  const auto& found = entries_[static_cast<std::size_t>(entry)];
  return holds(*found.match, subject) && (found.except == nullptr || !holds(*found.except, subject));
}

void MatchIndex::describe(const ParameterInfo& info, const LayerPlace& layer) {
  std::sort(hit_list_.begin(), hit_list_.end());
  likeness_.clear();
  likeness_ += info.tied() ? '1' : '0';
  if (layer.number) {
    likeness_ += layer.first ? (layer.last ? 'B' : 'F') : layer.last ? 'L' : 'N';
    append_raw(likeness_, *layer.number);
  }
  likeness_ += '\0';
  for (const auto size : info.shape) append_raw(likeness_, size);
  append_raw(likeness_, -1);
  likeness_ += info.dtype_name;
  likeness_ += '\0';
  likeness_ += info.module;
  likeness_ += '\0';
  for (const auto pattern : hit_list_) append_raw(likeness_, pattern);
  if (!ties_matter_ || !info.tied()) return;
  for (const auto& name : info.names) likeness_ += '\0' + name;
}

void MatchIndex::matching(const ParameterInfo& info, const std::vector<std::string>& names,
                          std::vector<std::uint64_t>& out) {
  find_hits(names);
  const auto layer = layers_ == nullptr ? LayerPlace{} : layers_->of(info);
  describe(info, layer);
  if (const auto known = known_.find(likeness_); known != known_.end()) {
    out = known->second;
    return;
  }
  out.assign(entries_.size() / 64 + 1, 0);
  const Subject subject{info, patterns_, hits_, layer};
  const auto mark = [&](int entry) { out[static_cast<std::size_t>(entry) / 64] |= std::uint64_t{1} << (entry % 64); };
  for (const auto pattern : hit_list_) {
    for (const auto entry : by_pattern_[static_cast<std::size_t>(pattern)]) {
      if (judge(entry, subject)) mark(entry);
    }
  }
  for (const auto entry : unanchored_) {
    if (judge(entry, subject)) mark(entry);
  }
  if (known_words_ > most_known_words) return;
  known_words_ += out.size() + likeness_.size() / 8;
  known_.emplace(likeness_, out);
}

}  // namespace switchyard
