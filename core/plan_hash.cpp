#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/execution.h"
#include "core/key_order.h"
#include "core/plan.h"
#include "core/recent.h"
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

/// What a parameter adds to the plan hash: parameters that agree in these share a line.
struct Values {
  SharedOptions settings;
  LrFactors factors;
  std::vector<std::string> own_settings;

  bool operator==(const Values&) const = default;
};

std::string settings_text(const OptionValues& values) {
  std::string out;
  for (const auto& [name, value] : values) out += " " + name + "=" + dump_json(to_json(value));
  return out;
}

/// The lines of one optimizer's parameters.
class Lines {
 public:
  Lines(const OptimizerDescriptor& descriptor, const PlannedGroup& group)
      : descriptor_(descriptor),
        group_(group),
        by_size_(std::any_of(descriptor.slots.begin(), descriptor.slots.end(),
                             [](const Slot& slot) { return static_cast<bool>(slot.exists); })),
        slots_([this](const SharedOptions& values) { return slots_text(values, nullptr); }),
        views_(view_text),
        values_([this](const Values& values) { return values_text(values); }),
        digests_([this](const Values& values) { return sha256(values_text(values)).substr(0, 32); }) {}

  /// Key, shape, dtype, plugin, state version, slots, blocks.
  std::string state(const PlannedParameter& parameter, std::string_view key) {
    auto out = quoted(key);
    out += ' ';
    out += to_string(parameter.info.shape);
    out += ' ';
    out += to_string(parameter.info.dtype);
    out += ' ';
    out += by_size_ ? slots_text(parameter.settings, &parameter) : slots_.of(parameter.settings);
    if (descriptor_.needs_matrix()) {
      out += ' ';
      out += views_.of(parameter.view);
    }
    return out;
  }

  /// Resolved options, factors and schedules.
  const std::string& values(const PlannedParameter& parameter) { return values_.of(values_of(parameter)); }
  const std::string& digest(const PlannedParameter& parameter) { return digests_.of(values_of(parameter)); }

 private:
  static Values values_of(const PlannedParameter& parameter) {
    return {parameter.settings, parameter.factors, parameter.own_settings};
  }

  std::string values_text(const Values& values) const {
    auto out = settings_text(values.settings);
    const auto& factors = values.factors;
    out += " base=" + shortest(factors.base) + " rule=" + shortest(factors.rule);
    // By value, not by id: an id is a note, and factors multiply in any order.
    std::vector<double> scales;
    for (const auto& [id, factor] : factors.overrides) {
      if (factor != 1) scales.push_back(factor);
    }
    std::sort(scales.begin(), scales.end());
    for (const auto scale : scales) out += " x" + shortest(scale);
    out += " modular_norm=" + shortest(factors.modular_norm);
    for (const auto& [name, schedule] : schedules_of(values.own_settings, group_))
      out += " " + name + "~" + dump_json(to_json(schedule));
    return out;
  }

  /// `parameter` is looked at only where slots exist by size.
  std::string slots_text(const OptionValues& values, const PlannedParameter* parameter) const {
    auto out = fmt::format("{} v{}", descriptor_.name, descriptor_.state_version);
    for (const auto& slot : descriptor_.slots) {
      if (!slot.active(values)) continue;
      const auto where = slot.exists && parameter != nullptr ? sizes_text(slot, *parameter) : std::string();
      if (where == "nowhere") continue;
      out += fmt::format(" {}:{}:{}", slot.name, to_string(slot.shape), to_string(slot.dtype));
      if (slot.encoded()) out += ":" + slot.codec;
      if (slot.identity) out += ":identity";
      out += where;
    }
    if (descriptor_.traits.unit == Unit::chunk) out += fmt::format(" chunk={}", descriptor_.chunk_length(values));
    return out;
  }

  /// Where a slot that exists by size does: "" for everywhere, else "nowhere" or the shapes.
  static std::string sizes_text(const Slot& slot, const PlannedParameter& parameter) {
    if (!owner_slot(slot.shape))
      return slot.exists(parameter.settings, parameter.info.numel(), 1) ? std::string() : std::string("nowhere");
    std::string out;
    bool all = true;
    for (const auto& part : parameter.parts) {
      if (slot.exists(parameter.settings, part.out, part.in)) {
        out += fmt::format("@{}x{}", part.out, part.in);
      } else {
        all = false;
      }
    }
    if (all) return "";
    return out.empty() ? "nowhere" : out;
  }

  const OptimizerDescriptor& descriptor_;
  const PlannedGroup& group_;
  bool by_size_;
  Recent<SharedOptions, std::string> slots_;
  Recent<MatrixView, std::string> views_;
  Recent<Values, std::string> values_;
  Recent<Values, std::string> digests_;
};

std::string gradients_line(const GradientPolicy& gradients) {
  return fmt::format("gradients clip={} accumulation={} on_nonfinite={}",
                     gradients.clip_norm ? shortest(*gradients.clip_norm) : "none", gradients.accumulation,
                     gradients.on_nonfinite == GradientPolicy::OnNonfinite::skip ? "skip" : "error");
}

/// Calls visit(key, parameter, lines) for each trained parameter in order of key.
template <class Visit>
void each_trained(const Plan& plan, const Registry& registry, Visit&& visit) {
  std::vector<std::string_view> keys;
  keys.reserve(plan.parameters.size());
  for (const auto& parameter : plan.parameters) keys.push_back(parameter.info.key());
  std::map<std::string_view, std::unique_ptr<Lines>> lines;
  for (const auto i : key_order(keys)) {
    const auto& parameter = plan.parameters[i];
    if (parameter.frozen()) continue;
    auto& of_optimizer = lines[parameter.optimizer];
    if (!of_optimizer) {
      const auto* descriptor = registry.find(parameter.plugin);
      const auto* group = plan.find_group(parameter.optimizer);
      if (descriptor == nullptr || group == nullptr) {
        throw OptimizerError(
            fmt::format("the plan names plugin `{}` and optimizer `{}`, which this program does not have",
                        parameter.plugin, parameter.optimizer));
      }
      of_optimizer = std::make_unique<Lines>(*descriptor, *group);
    }
    visit(keys[i], parameter, *of_optimizer);
  }
}

}  // namespace

std::map<std::string, std::string> state_lines(const Plan& plan, const Registry& registry) {
  std::map<std::string, std::string> lines;
  each_trained(plan, registry, [&](std::string_view key, const PlannedParameter& parameter, Lines& of) {
    lines.emplace(key, of.state(parameter, key));
  });
  return lines;
}

std::map<std::string, std::string> plan_lines(const Plan& plan, const Registry& registry) {
  std::map<std::string, std::string> lines;
  each_trained(plan, registry, [&](std::string_view key, const PlannedParameter& parameter, Lines& of) {
    lines.emplace(key, of.state(parameter, key) + of.values(parameter));
  });
  lines.emplace("", gradients_line(plan.gradients));
  return lines;
}

/// One line of state a parameter; for the other hash one line of values in the same order, as a digest: most parameters
/// share their values with many others, and hashing them all at full length would take longer than planning.
void seal(Plan& plan, const Registry& registry) {
  std::string states;
  std::string digests;
  each_trained(plan, registry, [&](std::string_view key, const PlannedParameter& parameter, Lines& of) {
    states += of.state(parameter, key);
    states += '\n';
    digests += of.digest(parameter);
    digests += '\n';
  });
  plan.state_hash = sha256(states);
  plan.plan_hash = sha256(plan.state_hash + "\n" + gradients_line(plan.gradients) + "\n" + digests);
}

}  // namespace switchyard
