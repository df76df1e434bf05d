#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/block.h"
#include "core/json.h"
#include "core/parameter_table.h"
#include "core/registry.h"
#include "core/schedule.h"

namespace switchyard {

/// The learning rate of a parameter before schedules: base x rule x overrides x modular_norm.
struct LrFactors {
  double base = 0;
  double rule = 1;
  std::vector<std::pair<std::string, double>> overrides;  ///< by override id, in document order
  double modular_norm = 1;

  /// The product without `base`, multiplied in the order of the members.
  double scale() const;
  double lr() const { return base * scale(); }
  bool operator==(const LrFactors&) const = default;
};

/// Blocks of one part of a parameter, as the plan lists them: `count` blocks (batch x heads) of [out, in].
struct PlannedPart {
  std::string name;
  std::int64_t out = 0;
  std::int64_t in = 0;
  std::int64_t count = 0;
  double scale = 1;
  int select_axis = -1;  ///< the axis that a split cuts; -1 without a split
  AxisCut select;

  bool operator==(const PlannedPart&) const = default;
};

/// What will happen to one tensor, and why.
struct PlannedParameter {
  ParameterInfo info;
  std::string rule;                ///< id of the rule that took it, or "fallback"
  std::string optimizer;           ///< id of the optimizer, or "freeze"
  std::string plugin;              ///< "" when frozen
  std::string reason;              ///< one sentence for people: what matched
  MatrixView view;                 ///< of matrix plugins
  std::vector<PlannedPart> parts;  ///< [] for element-wise plugins
  LrFactors factors;
  SharedOptions settings;                 ///< every option of the plugin; weight decay includes decay_scale
  std::vector<std::string> own_settings;  ///< options that a rule's `set` or an override fixed for this parameter
  double decay_scale = 1;                 ///< product of wd_scale factors

  bool frozen() const { return plugin.empty(); }
  /// Every block with its shape scale; empty for element-wise plugins.
  std::vector<Block> blocks(const OptimizerDescriptor& plugin_descriptor) const;
};

/// One entry of `optimizers`: the options shared by the parameters routed to it.
struct PlannedGroup {
  std::string id;
  std::string plugin;
  double lr = 0;                   ///< base of its parameters
  std::optional<double> lr_scale;  ///< set when lr = base_lr x lr_scale; then `set_lr` moves it
  SharedOptions options;
  std::vector<std::pair<std::string, Schedule>> schedules;  ///< by "lr" or option, in order of name
};

/// What is done to gradients before any plugin sees them.
struct GradientPolicy {
  std::optional<double> clip_norm;
  std::int64_t accumulation = 1;
  enum class OnNonfinite : std::uint8_t { skip, error } on_nonfinite = OnNonfinite::skip;
};

struct SinkConfig {
  std::string kind;  ///< "jsonl"
  std::string path;
  std::int64_t every = 1;
};

/// How often rules matched and won; for the text form and for lints.
struct RuleSummary {
  std::string id;
  std::string use;
  std::int64_t matched = 0;
  std::int64_t won = 0;
  std::int64_t elements = 0;
  Place place;
};
struct OverrideSummary {
  std::string id;
  std::string effect;  ///< "lr_scale 0.7, weight_decay 0"
  std::int64_t matched = 0;
};

/// Spec + model + plugins, resolved: everything that will run, as a value.
struct Plan {
  std::string name;
  std::optional<double> base_lr;
  std::vector<PlannedParameter> parameters;  ///< in the order of the model
  std::vector<PlannedGroup> groups;          ///< in the order of the spec
  GradientPolicy gradients;
  std::vector<SinkConfig> sinks;
  std::vector<RuleSummary> rules;  ///< in document order; the fallback is not among them
  std::vector<OverrideSummary> overrides;
  std::string fallback;     ///< "error", "freeze" or an optimizer id
  Diagnostics diagnostics;  ///< warnings and notes (a plan with errors is not made)
  std::string state_hash;   ///< 64 hex digits, see seal()
  std::string plan_hash;

  const PlannedGroup* find_group(std::string_view id) const;
  const PlannedParameter* find(const std::string& parameter) const;
};

/// Fills `parts` of a parameter from its view, its options and the plugin.
void describe_parts(PlannedParameter& parameter, const OptimizerDescriptor& descriptor);

/// One line a trained parameter, by key: key, shape, dtype, plugin, state version, slots, blocks. Free of the order of
/// parameters, aliases, module types, sinks and notes. state_hash is the SHA-256 of the lines in order of key.
std::map<std::string, std::string> state_lines(const Plan& plan, const Registry& registry);
/// state_hash of a plan with these lines.
std::string hash_of_state(const std::map<std::string, std::string>& lines);
/// A line of state as this version writes it: older builds named the shapes of slots by numbers ("momentum#0").
std::string upgraded_state_line(const std::string& line);
/// The same with resolved options, lr factors and schedules; and a line "" for the gradient policy. plan_hash is the
/// SHA-256 of state_hash and of what these lines add.
std::map<std::string, std::string> plan_lines(const Plan& plan, const Registry& registry);
/// Computes both hashes.
void seal(Plan& plan, const Registry& registry);

/// {"switchyard_plan": 1, "state_hash", "plan_hash", "parameters": [...], "diagnostics": [...]}
Json to_json(const Plan& plan, const Sources& sources);
Json to_json(const PlannedParameter& parameter, const PlannedGroup* group);
Json to_json(const Diagnostic& diagnostic, const Sources& sources);
Json to_json(const OptionValue& value);
/// The option value of a JSON value (numbers keep their kind; a list must be of numbers); null if there is none.
std::optional<OptionValue> option_value_from_json(const Json& value);

}  // namespace switchyard
