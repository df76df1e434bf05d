#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/registry.h"
#include "rules/reader.h"
#include "rules/spec.h"

namespace switchyard {

/// A spec while it is read. Ids are known before the values behind them are, and stay known when these are broken: one
/// mistake in an optimizer must not make every rule that uses it look wrong.
struct SpecDraft {
  SpecDraft(std::string_view text, const Registry& plugins, Diagnostics& diagnostics)
      : read(text, diagnostics), registry(plugins) {}

  Reader read;
  const Registry& registry;
  Spec spec;
  std::vector<std::string> optimizer_ids;  ///< in document order
  std::vector<std::string> schedule_ids;
  bool optimizers_known = false;  ///< false if `optimizers` is missing or no object: then no reference can be judged
  bool schedules_known = true;
  bool base_lr_broken = false;
  bool has_layers = false;  ///< also when they are broken
  std::set<std::string> schedules_used;
  std::set<std::string> optimizers_used;
  std::unordered_map<std::string, int> pattern_numbers;  ///< -1 for broken ones

  /// Names of the options of a plugin; of all plugins, each once, if it is null.
  std::vector<std::string> option_names(const OptimizerDescriptor* plugin) const;
  /// The plugin of a good optimizer; null if the optimizer is broken or unknown.
  const OptimizerDescriptor* plugin_of(const std::string& optimizer) const;
  /// True if the id exists; reports it otherwise (unless the whole section is missing).
  bool check_optimizer(const Node& node, const std::string& what, const std::string& id, std::vector<std::string> also);
};

// spec_schedules.cpp
void read_schedules(SpecDraft& draft, const Node& schedules);

// spec_optimizers.cpp
void read_optimizers(SpecDraft& draft, const Node& optimizers);
/// A value of an option of a plugin, checked; `key` is its node. Nothing (and reported) if unknown or illegal.
std::optional<OptionValue> read_option(SpecDraft& draft, const Node& node, const OptimizerDescriptor& plugin,
                                       const std::vector<std::string>& also = {});

// spec_match.cpp
std::optional<Match> read_match(SpecDraft& draft, const Node& match);
std::optional<IntCondition> read_condition(SpecDraft& draft, const Node& node, const std::string& what);

// spec_layers.cpp
void read_layers(SpecDraft& draft, const Node& layers);
std::optional<LayerCondition> read_layer(SpecDraft& draft, const Node& layer);

// spec_where.cpp
std::shared_ptr<const Where> read_where(SpecDraft& draft, const Node& where);

// spec_canonical.cpp
void read_canonical(SpecDraft& draft, const Node& canonical);

// spec_view.cpp
std::optional<SpecView> read_view(SpecDraft& draft, const Node& view);

// spec_settings.cpp
/// `plugin` null: an override, whose options are those of any optimizer.
std::optional<SpecSettings> read_settings(SpecDraft& draft, const Node& set, const OptimizerDescriptor* plugin,
                                          bool is_override);

// spec_rules.cpp
void read_rules(SpecDraft& draft, const Node& rules);
void read_overrides(SpecDraft& draft, const Node& overrides);
void read_fallback(SpecDraft& draft, const Node& root);

// spec_policy.cpp
void read_policy(SpecDraft& draft, const Node& policy);

// spec_gradients.cpp
void read_gradients(SpecDraft& draft, const Node& gradients);
void read_sinks(SpecDraft& draft, const Node& sinks);

}  // namespace switchyard
