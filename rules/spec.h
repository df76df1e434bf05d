#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/diagnostics.h"
#include "core/plan.h"
#include "core/registry.h"
#include "core/schedule.h"
#include "rules/layers.h"
#include "rules/match.h"
#include "rules/policy.h"

namespace switchyard {

/// One option fixed by `options` or `set`; `place` is the value's, with the key's pointer.
struct SpecSetting {
  std::string name;
  OptionValue value;
  Place place;
};

/// What `set` of a rule or an override says: factors, and options of the plugin.
struct SpecSettings {
  std::optional<double> lr_scale;
  std::optional<double> wd_scale;
  std::vector<SpecSetting> options;
  Place place;

  bool empty() const { return !lr_scale && !wd_scale && options.empty(); }
  const SpecSetting* find(std::string_view name) const;
  /// "lr_scale 0.7, weight_decay 0".
  std::string text() const;
};

/// `split`: `equal` parts of one size, or parts with sizes. Sizes add up to one run: the axis divided by `interleave`.
struct SpecSplit {
  struct Part {
    std::string name;
    std::int64_t size = 0;
  };
  int axis = 0;
  std::int64_t equal = 0;   ///< number of equal parts; 0 when sizes are given
  std::vector<Part> parts;  ///< with sizes
  std::int64_t interleave = 1;
  Place place;
  Place axis_place;
  Place parts_place;
};

/// `heads`: exactly one of count and size is set (not 0).
struct SpecHeads {
  int axis = 0;
  std::int64_t count = 0;
  std::int64_t size = 0;
  Place place;
};

/// `matrix` of a rule: how the axes form matrices. Axes count from 0 as stored; negative ones are refused.
/// `roles` is false when the rule leaves them to the defaults; `flatten` has already become out and in.
struct SpecView {
  bool roles = false;
  bool transpose = false;  ///< swaps the default roles
  std::vector<int> batch;
  std::vector<int> out;
  std::vector<int> in;
  std::optional<SpecSplit> split;
  std::optional<SpecHeads> heads;
  Place place;
};

struct SpecRule {
  std::string id;
  Match match;
  std::optional<Match> except;
  std::string use;  ///< optimizer id or "freeze"
  std::optional<SpecView> view;
  SpecSettings set;
  std::string note;
  bool optional = false;
  bool disabled = false;
  Place place;  ///< of the id

  bool freezes() const { return use == "freeze"; }
};

struct SpecOverride {
  std::string id;
  Match match;
  std::optional<Match> except;
  SpecSettings set;
  std::string note;
  bool optional = false;
  bool disabled = false;
  Place place;
};

/// One entry of `optimizers`, `like` resolved.
struct SpecOptimizer {
  std::string id;
  std::string plugin;
  std::optional<double> lr;
  std::optional<double> lr_scale;
  SharedOptions options;                                       ///< every option of the plugin
  std::vector<std::string> given;                              ///< options that the spec names, in order
  std::vector<std::pair<std::string, std::string>> schedules;  ///< "lr" or option -> schedule id, in order of name
  Place place;                                                 ///< of the key

  /// Base learning rate of its parameters: lr, else base_lr x lr_scale.
  double base(const std::optional<double>& base_lr) const;
};

struct SpecSchedule {
  std::string id;
  Schedule schedule;
  Place place;
};

/// A routing spec as a plain value: everything that the text says, checked as far as it can be without a model, with
/// places.
struct Spec {
  std::string file;
  std::string name;
  std::string description;
  std::optional<double> base_lr;
  std::vector<SpecOptimizer> optimizers;
  std::vector<SpecSchedule> schedules;
  std::vector<SpecRule> rules;
  std::string fallback;  ///< "error", "freeze" or an optimizer id
  Place fallback_place;
  std::vector<SpecOverride> overrides;
  GradientPolicy gradients;
  std::vector<SinkConfig> sinks;
  Policy policy;
  std::vector<std::string> strip;  ///< wrapper segments that names lose before matching and hashing
  Place strip_place;
  Layers layers;
  PatternList patterns;
  Diagnostics warnings;  ///< what parse_spec had to say although the spec is good; a plan repeats it

  const SpecOptimizer* find_optimizer(std::string_view id) const;
  const SpecSchedule* find_schedule(std::string_view id) const;
};

/// How parse_spec finds the files that `extends` names. Presets need nothing.
struct SpecFiles {
  /// The text of a file, or nothing if it cannot be read. A path is relative to what `file` of parse_spec is relative
  /// to.
  std::function<std::optional<std::string>(const std::string& path)> read;
  Sources* sources = nullptr;  ///< gets the texts that were read, for excerpts
};

/// Reads a spec. All mistakes of the text are added to `diagnostics`, each once, with place, what was expected and the
/// nearest legal thing; nothing is returned if there is an error among them.
std::optional<Spec> parse_spec(std::string_view text, const std::string& file, const Registry& registry,
                               Diagnostics& diagnostics, const SpecFiles& files = {});

}  // namespace switchyard
