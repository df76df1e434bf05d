#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "rules/spec_reader.h"

namespace switchyard {

namespace {

/// Ids of one list, each once.
class Ids {
 public:
  std::optional<std::string> read(SpecDraft& draft, const Node& entry, const std::string& what, Place& place) {
    const auto node = draft.read.require(entry, "id", what);
    if (!node) return std::nullopt;
    auto id = draft.read.id(*node, "`id`");
    if (!id) return std::nullopt;
    place = node->place();
    if (*id == "fallback") {
      draft.read.error("SWY-1013", fmt::format("{} cannot be called \"fallback\"", what), place).help =
          "plans use the word for `fallback`";
      return std::nullopt;
    }
    const auto [known, fresh] = seen_.emplace(*id, place);
    if (fresh) return id;
    auto& finding = draft.read.error("SWY-1015", fmt::format("two entries have the id `{}`", shown(*id)), place);
    finding.label = "used again";
    finding.related.push_back({"first used here", known->second});
    return std::nullopt;
  }

 private:
  std::unordered_map<std::string, Place> seen_;
};

void read_flags(SpecDraft& draft, const Node& node, std::string& note, bool& optional, bool& disabled) {
  if (const auto child = node.child("note")) note = draft.read.text(*child, "`note`").value_or("");
  if (const auto child = node.child("optional")) optional = draft.read.boolean(*child, "`optional`").value_or(false);
  if (const auto child = node.child("disabled")) disabled = draft.read.boolean(*child, "`disabled`").value_or(false);
}

/// True for an entry that says "disabled": true: it needs nothing but its id.
bool is_disabled(const Node& node) {
  const auto flag = node.child("disabled");
  return flag && flag->json().is(Json::Kind::boolean) && flag->json().as_bool();
}

void read_use(SpecDraft& draft, const Node& node, SpecRule& rule) {
  const auto use_node = is_disabled(node) ? node.child("use") : draft.read.require(node, "use", "a rule");
  if (!use_node) return;
  const auto use = draft.read.text(*use_node, "`use`");
  if (use && draft.check_optimizer(*use_node, "`use`", *use, {"freeze"})) rule.use = *use;
}

/// `matrix` and `set` make sense only with a plugin that can follow them.
void read_details(SpecDraft& draft, const Node& node, SpecRule& rule) {
  const auto* plugin = draft.plugin_of(rule.use);
  const auto matrix = node.child("matrix");
  const auto set = node.child("set");
  if (rule.freezes()) {
    for (const auto& child : {matrix, set}) {
      if (!child) continue;
      draft.read
          .error("SWY-1018", fmt::format("a rule that freezes has no use for `{}`", child->key()), child->key_place())
          .help = "remove it";
    }
    return;
  }
  if (matrix && plugin != nullptr && !plugin->needs_matrix()) {
    draft.read
        .error("SWY-2027", fmt::format("plugin `{}` works on elements: `matrix` would change nothing", plugin->name),
               matrix->key_place())
        .help = "remove `matrix`, or use an optimizer whose plugin works on matrices";
  } else if (matrix) {
    rule.view = read_view(draft, *matrix);
  }
  if (set) {
    auto settings = read_settings(draft, *set, plugin, false);
    if (settings) rule.set = std::move(*settings);
  }
}

template <class Entry>
void read_matches(SpecDraft& draft, const Node& node, const std::string& what, Entry& entry) {
  if (const auto child = is_disabled(node) ? node.child("match") : draft.read.require(node, "match", what)) {
    auto match = read_match(draft, *child);
    if (match) entry.match = std::move(*match);
  }
  if (const auto child = node.child("except")) entry.except = read_match(draft, *child);
}

}  // namespace

void read_rules(SpecDraft& draft, const Node& rules) {
  if (!draft.read.array(rules, "`rules`")) return;
  Ids ids;
  for (std::size_t i = 0; i < rules.json().size(); ++i) {
    const Node node(rules, i);
    const auto options = [&] {
      const auto use = node.child("use");
      const bool named = use && use->json().is(Json::Kind::string);
      return draft.option_names(named ? draft.plugin_of(use->json().as_string()) : nullptr);
    };
    if (!draft.read.object(node, spots::rule(), options)) continue;
    SpecRule rule;
    rule.id = ids.read(draft, node, "a rule", rule.place).value_or("");
    read_matches(draft, node, "a rule", rule);
    read_use(draft, node, rule);
    read_details(draft, node, rule);
    read_flags(draft, node, rule.note, rule.optional, rule.disabled);
    draft.spec.rules.push_back(std::move(rule));
  }
}

void read_overrides(SpecDraft& draft, const Node& overrides) {
  if (!draft.read.array(overrides, "`overrides`")) return;
  Ids ids;
  for (std::size_t i = 0; i < overrides.json().size(); ++i) {
    const Node node(overrides, i);
    if (!draft.read.object(node, spots::override_(), [&] { return draft.option_names(nullptr); })) continue;
    SpecOverride entry;
    entry.id = ids.read(draft, node, "an override", entry.place).value_or("");
    read_matches(draft, node, "an override", entry);
    if (const auto set = is_disabled(node) ? node.child("set") : draft.read.require(node, "set", "an override")) {
      auto settings = read_settings(draft, *set, nullptr, true);
      if (settings) entry.set = std::move(*settings);
    }
    read_flags(draft, node, entry.note, entry.optional, entry.disabled);
    draft.spec.overrides.push_back(std::move(entry));
  }
}

void read_fallback(SpecDraft& draft, const Node& root) {
  const auto node = root.child("fallback");
  if (!node) {
    if (draft.read.meant(root, "fallback")) return;
    auto& finding = draft.read.error("SWY-1012", "the spec lacks `fallback`",
                                     {{root.json().span().file, root.json().span().offset, 1}, ""});
    finding.help = "add \"fallback\": \"error\" (or \"freeze\", or the id of an optimizer)";
    return;
  }
  const auto value = draft.read.text(*node, "`fallback`");
  if (!value || !draft.check_optimizer(*node, "`fallback`", *value, {"error", "freeze"})) return;
  draft.spec.fallback = *value;
  draft.spec.fallback_place = node->place();
}

}  // namespace switchyard
