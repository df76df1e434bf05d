#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "core/error.h"
#include "core/execution.h"
#include "core/plan.h"
#include "core/settings_text.h"
#include "core/sha256.h"

namespace switchyard {

namespace {

/// Part of the hashed text: JSON, so that no name can imitate a separator.
std::string quoted(std::string_view text) { return dump_json(Json::string(std::string(text))); }

std::string axes_text(const std::vector<int>& axes) { return fmt::format("{}", fmt::join(axes, ",")); }

std::string view_text(const MatrixView& view) {
  auto out = fmt::format("batch={} out={} in={}", axes_text(view.batch), axes_text(view.out), axes_text(view.in));
  if (view.split_axis >= 0) {
    out += fmt::format(" split={}", view.split_axis);
    for (const auto& part : view.parts) {
      out += fmt::format(" {}:{}+{}*{}/{}", quoted(part.name), part.cut.start, part.cut.length, part.cut.times,
                         part.cut.stride);
    }
  }
  if (view.heads_axis >= 0) out += fmt::format(" heads={}:{}", view.heads_axis, view.head_size);
  return out;
}

/// What the lines of one plugin's parameters have in common, made once for each of its different settings.
class Lines {
 public:
  explicit Lines(const OptimizerDescriptor& descriptor)
      : descriptor_(descriptor),
        slots_([this](const OptionValues& values) { return slots_text(values); }),
        settings_(settings_text) {}

  /// Key, shape, dtype, plugin, state version, slots, blocks.
  std::string state(const PlannedParameter& parameter, std::string_view key) {
    auto out = quoted(key) + " " + to_string(parameter.info.shape) + " " +
               std::string(to_string(parameter.info.dtype)) + " " + slots_.of(parameter.settings);
    if (descriptor_.needs_matrix()) out += " " + view_text(parameter.view);
    return out;
  }

  /// Resolved options, factors and schedules.
  std::string values(const PlannedParameter& parameter, const PlannedGroup& group) {
    auto out = settings_.of(parameter.settings);
    const auto& factors = parameter.factors;
    out += " base=" + shortest(factors.base) + " rule=" + shortest(factors.rule);
    // By value, not by id: an id is a note, and factors multiply in any order.
    std::vector<double> scales;
    for (const auto& [id, factor] : factors.overrides) {
      if (factor != 1) scales.push_back(factor);
    }
    std::sort(scales.begin(), scales.end());
    for (const auto scale : scales) out += " x" + shortest(scale);
    out += " modular_norm=" + shortest(factors.modular_norm);
    for (const auto& [name, schedule] : schedules_of(parameter, group))
      out += " " + name + "~" + dump_json(to_json(schedule));
    return out;
  }

 private:
  std::string slots_text(const OptionValues& values) const {
    auto out = fmt::format("{} v{}", descriptor_.name, descriptor_.state_version);
    for (const auto& slot : descriptor_.active_slots(values))
      out += fmt::format(" {}#{}", slot.name, static_cast<int>(slot.shape));
    if (descriptor_.traits.unit == Unit::run) out += fmt::format(" run={}", descriptor_.run_length(values));
    return out;
  }
  static std::string settings_text(const OptionValues& values) {
    std::string out;
    for (const auto& [name, value] : values) out += " " + name + "=" + dump_json(to_json(value));
    return out;
  }

  const OptimizerDescriptor& descriptor_;
  SettingsText slots_;
  SettingsText settings_;
};

std::string gradients_line(const GradientPolicy& gradients) {
  return fmt::format("gradients clip={} accumulation={} on_nonfinite={}",
                     gradients.clip_norm ? shortest(*gradients.clip_norm) : "none", gradients.accumulation,
                     gradients.on_nonfinite == GradientPolicy::OnNonfinite::skip ? "skip" : "error");
}

/// Calls visit(key, state, values) for each trained parameter in order of key.
template <class Visit>
void each_line(const Plan& plan, const Registry& registry, Visit&& visit) {
  std::vector<std::pair<std::string_view, const PlannedParameter*>> trained;
  trained.reserve(plan.parameters.size());
  for (const auto& parameter : plan.parameters) {
    if (!parameter.frozen()) trained.emplace_back(parameter.info.key(), &parameter);
  }
  std::sort(trained.begin(), trained.end());
  std::map<std::string, std::unique_ptr<Lines>> lines;
  for (const auto& [key, parameter] : trained) {
    const auto* descriptor = registry.find(parameter->plugin);
    const auto* group = plan.find_group(parameter->optimizer);
    if (descriptor == nullptr || group == nullptr) {
      throw OptimizerError(
          fmt::format("the plan names plugin `{}` and optimizer `{}`, which this program does not have",
                      parameter->plugin, parameter->optimizer));
    }
    auto& of_plugin = lines[parameter->plugin];
    if (!of_plugin) of_plugin = std::make_unique<Lines>(*descriptor);
    visit(std::string(key), of_plugin->state(*parameter, key), of_plugin->values(*parameter, *group));
  }
}

}  // namespace

std::map<std::string, std::string> state_lines(const Plan& plan, const Registry& registry) {
  std::map<std::string, std::string> lines;
  each_line(plan, registry, [&](const auto& key, auto state, const auto&) { lines.emplace(key, std::move(state)); });
  return lines;
}

std::map<std::string, std::string> plan_lines(const Plan& plan, const Registry& registry) {
  std::map<std::string, std::string> lines;
  each_line(plan, registry,
            [&](const auto& key, const auto& state, const auto& values) { lines.emplace(key, state + values); });
  lines.emplace("", gradients_line(plan.gradients));
  return lines;
}

/// One line of state a parameter; for the other hash one line of values in the same order, as a digest: most parameters
/// share their values with many others, and hashing them all at full length would take longer than planning.
void seal(Plan& plan, const Registry& registry) {
  std::string states;
  std::string all;
  std::unordered_map<std::string, std::string> digests;
  each_line(plan, registry, [&](const auto&, const auto& state, const auto& values) {
    states += state + "\n";
    const auto [digest, fresh] = digests.try_emplace(values);
    if (fresh) digest->second = sha256(values).substr(0, 32) + "\n";
    all += digest->second;
  });
  plan.state_hash = sha256(states);
  plan.plan_hash = sha256(plan.state_hash + "\n" + gradients_line(plan.gradients) + "\n" + all);
}

}  // namespace switchyard
