#include "rules/takers.h"

#include <optional>

#include "rules/canonical.h"
#include "rules/match_index.h"

namespace switchyard {

std::vector<std::map<int, std::int64_t>> takers_of(const Spec& spec, const ParameterTable& table,
                                                   const std::vector<std::size_t>& rules,
                                                   const std::vector<int>& winners) {
  std::vector<std::map<int, std::int64_t>> out(rules.size());
  if (rules.empty()) return out;
  std::vector<MatchIndex::Entry> entries;
  for (const auto i : rules) {
    const auto& rule = spec.rules[i];
    entries.push_back({&rule.match, rule.except ? &*rule.except : nullptr, !rule.disabled});
  }
  MatchIndex index(spec.patterns, entries, table, &spec.layers);
  std::vector<std::uint64_t> bits;
  for (std::size_t p = 0; p < table.size(); ++p) {
    index.matching(table[p], table[p].names, bits);
    for (std::size_t word = 0; word < bits.size(); ++word) {
      for (auto rest = bits[word]; rest != 0; rest &= rest - 1)
        ++out[word * 64 + static_cast<std::size_t>(__builtin_ctzll(rest))][winners[p]];
    }
  }
  return out;
}

Losses losses_of(const Spec& spec, const ParameterTable& given, const Plan& plan) {
  std::optional<ParameterTable> stripped;
  if (!spec.strip.empty()) {
    Diagnostics ignored;  // there is a plan, so there are no errors
    stripped = canonical_table(given, spec.strip, spec.strip_place, ignored);
  }
  const auto& table = stripped ? *stripped : given;
  std::map<std::string, int> numbers;
  for (std::size_t i = 0; i < spec.rules.size(); ++i) numbers.emplace(spec.rules[i].id, static_cast<int>(i));
  std::vector<std::size_t> losing;
  for (const auto& rule : plan.rules) {
    if (rule.won < rule.matched) losing.push_back(static_cast<std::size_t>(numbers.at(rule.id)));
  }
  std::vector<int> winners;
  for (const auto& parameter : plan.parameters) {
    const auto found = numbers.find(parameter.rule);
    winners.push_back(found == numbers.end() ? -1 : found->second);
  }
  const auto takers = takers_of(spec, table, losing, winners);
  Losses out;
  for (std::size_t n = 0; n < losing.size(); ++n) {
    auto& list = out[spec.rules[losing[n]].id];
    for (const auto& [taker, count] : takers[n]) {
      if (taker >= 0 && taker != static_cast<int>(losing[n]))
        list.emplace_back(spec.rules[static_cast<std::size_t>(taker)].id, count);
    }
  }
  return out;
}

}  // namespace switchyard
