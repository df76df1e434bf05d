#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/execution.h"
#include "core/plan.h"
#include "core/sha256.h"

namespace switchyard {

namespace {

/// Part of the hashed text: JSON, so that no name can imitate a separator.
std::string quoted(const std::string& text) { return dump_json(Json::string(text)); }

std::string axes_text(const std::vector<int>& axes) { return fmt::format("{}", fmt::join(axes, ",")); }

std::string view_text(const MatrixView& view) {
  auto out = fmt::format("batch={} out={} in={}", axes_text(view.batch), axes_text(view.out), axes_text(view.in));
  if (view.split_axis >= 0) {
    out += fmt::format(" split={}", view.split_axis);
    for (const auto& part : view.parts) {
      out += fmt::format(" {}:{}+{}*{}/{}", quoted(part.name), part.cut.start, part.cut.length, part.cut.times, part.cut.stride);
    }
  }
  if (view.heads_axis >= 0) out += fmt::format(" heads={}:{}", view.heads_axis, view.head_size);
  return out;
}

std::string state_line(const PlannedParameter& parameter, const OptimizerDescriptor& descriptor) {
  auto out = fmt::format("{} {} {} {} v{}", quoted(parameter.info.key()), to_string(parameter.info.shape),
                         to_string(parameter.info.dtype), descriptor.name, descriptor.state_version);
  for (const auto& slot : descriptor.active_slots(parameter.settings)) {
    out += fmt::format(" {}#{}", slot.name, static_cast<int>(slot.shape));
  }
  if (descriptor.traits.unit == Unit::run) out += fmt::format(" run={}", descriptor.run_length(parameter.settings));
  if (descriptor.needs_matrix()) out += " " + view_text(parameter.view);
  return out;
}

std::string plan_line(const PlannedParameter& parameter, const PlannedGroup& group) {
  std::string out;
  for (const auto& [name, value] : parameter.settings) out += fmt::format(" {}={}", name, dump_json(to_json(value)));
  const auto& factors = parameter.factors;
  out += fmt::format(" base={} rule={}", shortest(factors.base), shortest(factors.rule));
  // By value, not by id: an id is a note, and factors multiply in any order.
  std::vector<double> scales;
  for (const auto& [id, factor] : factors.overrides) {
    if (factor != 1) scales.push_back(factor);
  }
  std::sort(scales.begin(), scales.end());
  for (const auto scale : scales) out += " x" + shortest(scale);
  out += fmt::format(" modular_norm={}", shortest(factors.modular_norm));
  for (const auto& [name, schedule] : schedules_of(parameter, group)) out += fmt::format(" {}~{}", name, dump_json(to_json(schedule)));
  return out;
}

template <class Line>
std::map<std::string, std::string> lines_of(const Plan& plan, const Registry& registry, Line&& line) {
  std::map<std::string, std::string> lines;
  for (const auto& parameter : plan.parameters) {
    if (parameter.frozen()) continue;
    const auto* descriptor = registry.find(parameter.plugin);
    const auto* group = plan.find_group(parameter.optimizer);
    if (descriptor == nullptr || group == nullptr) {
      throw OptimizerError(fmt::format("the plan names plugin `{}` and optimizer `{}`, which this program does not have",
                                       parameter.plugin, parameter.optimizer));
    }
    lines.emplace(parameter.info.key(), line(parameter, *descriptor, *group));
  }
  return lines;
}

std::string joined(const std::map<std::string, std::string>& lines) {
  std::string out;
  for (const auto& [key, line] : lines) out += line + "\n";
  return out;
}

}  // namespace

std::map<std::string, std::string> state_lines(const Plan& plan, const Registry& registry) {
  return lines_of(plan, registry, [](const auto& parameter, const auto& descriptor, const auto&) {
    return state_line(parameter, descriptor);
  });
}

std::map<std::string, std::string> plan_lines(const Plan& plan, const Registry& registry) {
  auto lines = lines_of(plan, registry, [](const auto& parameter, const auto& descriptor, const auto& group) {
    return state_line(parameter, descriptor) + plan_line(parameter, group);
  });
  const auto& gradients = plan.gradients;
  lines.emplace("", fmt::format("gradients clip={} accumulation={} on_nonfinite={}",
                                gradients.clip_norm ? shortest(*gradients.clip_norm) : "none", gradients.accumulation,
                                gradients.on_nonfinite == GradientPolicy::OnNonfinite::skip ? "skip" : "error"));
  return lines;
}

void seal(Plan& plan, const Registry& registry) {
  plan.state_hash = sha256(joined(state_lines(plan, registry)));
  plan.plan_hash = sha256(joined(plan_lines(plan, registry)));
}

}  // namespace switchyard
