#include "rules/router.h"

#include <fmt/format.h>

#include <algorithm>

namespace switchyard {

namespace {

bool bit(const std::vector<std::uint64_t>& bits, std::size_t i) { return (bits[i / 64] >> (i % 64) & 1) != 0; }

/// Calls visit(i) for each set bit below `end`, ascending.
template <class Visit>
void each_bit(const std::vector<std::uint64_t>& bits, std::size_t end, Visit&& visit) {
  for (std::size_t word = 0; word < bits.size(); ++word) {
    for (auto rest = bits[word]; rest != 0; rest &= rest - 1) {
      const auto i = word * 64 + static_cast<std::size_t>(__builtin_ctzll(rest));
      if (i >= end) return;
      visit(i);
    }
  }
}

class Router {
 public:
  Router(const Spec& spec, const ParameterTable& table, Diagnostics& diagnostics)
      : spec_(spec),
        table_(table),
        diagnostics_(diagnostics),
        index_(spec.patterns, index_entries(spec), table, &spec.layers) {
    out_.rules.resize(spec.rules.size());
    out_.overrides.resize(spec.overrides.size());
    out_.routes.reserve(table.size());
  }

  Routing run() {
    for (const auto& info : table_.parameters()) {
      out_.routes.push_back(route(info));
      if (info.tied() && info.requires_grad) check_tie(info);
    }
    return std::move(out_);
  }

 private:
  Route route(const ParameterInfo& info) {
    index_.matching(info, info.names, bits_);
    Route out;
    const auto rules = spec_.rules.size();
    each_bit(bits_, rules, [&](std::size_t i) {
      auto& tally = out_.rules[i];
      ++tally.matched;
      if (info.requires_grad) ++tally.matched_trainable;
      if (out.rule >= 0) return;
      out.rule = static_cast<int>(i);
      ++tally.won;
      tally.elements += info.numel();
    });
    const auto* rule = out.rule < 0 ? nullptr : &spec_.rules[static_cast<std::size_t>(out.rule)];
    out.frozen = !info.requires_grad || (rule != nullptr ? rule->freezes() : spec_.fallback == "freeze");
    out.taken = rule != nullptr || out.frozen || spec_.fallback != "error";
    out.reason = rule != nullptr ? why(rule->match, {info, spec_.patterns, index_.hits(), spec_.layers.of(info)})
                                 : "no rule matches, so the fallback takes it";
    if (!info.requires_grad) out.reason += "; it requires no gradient";
    for (std::size_t i = 0; i < spec_.overrides.size(); ++i) {
      if (!bit(bits_, rules + i)) continue;
      auto& tally = out_.overrides[i];
      ++tally.matched;
      if (out.frozen || !out.taken) continue;
      ++tally.matched_trainable;
      ++tally.won;
      tally.elements += info.numel();
      out.overrides.push_back(static_cast<int>(i));
    }
    return out;
  }

  /// Where the tensor would go under one of its names. -2: nowhere.
  int target_alone(const ParameterInfo& info, const std::string& name) {
    index_.matching(info, {name}, bits_);
    int target = spec_.fallback == "error" ? -2 : -1;
    bool found = false;
    each_bit(bits_, spec_.rules.size(), [&](std::size_t i) {
      if (!found) target = static_cast<int>(i);
      found = true;
    });
    return target;
  }

  std::string named(int target) const {
    return target < 0 ? "the fallback" : fmt::format("rule `{}`", spec_.rules[static_cast<std::size_t>(target)].id);
  }
  const Place& place_of(int target) const {
    return target < 0 ? spec_.fallback_place : spec_.rules[static_cast<std::size_t>(target)].place;
  }

  bool differ(int a, int b) const {
    if (a == b) return false;
    const auto use = [&](int target) {
      return target < 0 ? spec_.fallback : spec_.rules[static_cast<std::size_t>(target)].use;
    };
    const auto plain = [&](int target) {
      return target < 0 || (!spec_.rules[static_cast<std::size_t>(target)].view &&
                            spec_.rules[static_cast<std::size_t>(target)].set.empty());
    };
    return use(a) != use(b) || !plain(a) || !plain(b);
  }

  void check_tie(const ParameterInfo& info) {
    constexpr std::size_t most_names = 64;
    int first = -2;
    std::size_t first_name = 0;
    for (std::size_t i = 0; i < std::min(info.names.size(), most_names); ++i) {
      const auto target = target_alone(info, info.names[i]);
      if (target == -2) continue;
      if (first == -2) {
        first = target;
        first_name = i;
        continue;
      }
      if (!differ(first, target)) continue;
      const auto winner = out_.routes.back().rule;
      auto& finding = diagnostics_.warning(
          "SWY-2004",
          fmt::format("the names of one tied tensor would be routed differently: `{}` by {}, `{}` by {}; {} takes it",
                      info.names[first_name], named(first), info.names[i], named(target), named(winner)),
          place_of(target < 0 ? first : target));
      finding.subject = info.name();
      finding.related.push_back({fmt::format("{} stands here", named(first)), place_of(first)});
      finding.help = "list every name in the rule that is meant, before the others";
      return;
    }
  }

  const Spec& spec_;
  const ParameterTable& table_;
  Diagnostics& diagnostics_;
  MatchIndex index_;
  std::vector<std::uint64_t> bits_;
  Routing out_;
};

}  // namespace

std::vector<MatchIndex::Entry> index_entries(const Spec& spec) {
  std::vector<MatchIndex::Entry> out;
  for (const auto& rule : spec.rules)
    out.push_back({&rule.match, rule.except ? &*rule.except : nullptr, !rule.disabled});
  for (const auto& entry : spec.overrides)
    out.push_back({&entry.match, entry.except ? &*entry.except : nullptr, !entry.disabled});
  return out;
}

const std::string& optimizer_of(const Spec& spec, const Route& route) {
  static const std::string freeze = "freeze";
  if (route.frozen) return freeze;
  return route.rule < 0 ? spec.fallback : spec.rules[static_cast<std::size_t>(route.rule)].use;
}

Routing route(const Spec& spec, const ParameterTable& table, Diagnostics& diagnostics) {
  if (table.size() == 0) {
    diagnostics.warning("SWY-2015", "the model has no parameters: the plan is empty");
    Routing out;
    out.rules.resize(spec.rules.size());
    out.overrides.resize(spec.overrides.size());
    return out;
  }
  check_layers(spec.layers, table, diagnostics);
  auto out = Router(spec, table, diagnostics).run();
  report_unused(spec, table, out, diagnostics);
  report_shadowed(spec, table, out, diagnostics);
  report_unmatched(spec, table, out, diagnostics);
  return out;
}

}  // namespace switchyard
