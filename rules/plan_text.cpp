#include "rules/plan_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/execution.h"
#include "core/recent.h"
#include "rules/state_memory.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

using Align = TextTable::Align;

/// Texts in order of first appearance, each with a count.
class Tally {
 public:
  void add(const std::string& text, std::int64_t count = 1) {
    const auto [found, inserted] = index_.emplace(text, rows_.size());
    if (inserted) rows_.emplace_back(text, 0);
    rows_[found->second].second += count;
  }
  const std::vector<std::pair<std::string, std::int64_t>>& rows() const { return rows_; }

 private:
  std::map<std::string, std::size_t> index_;
  std::vector<std::pair<std::string, std::int64_t>> rows_;
};

std::string joined(const std::vector<std::string>& texts, std::string_view separator, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < texts.size() && i < limit; ++i) out += (i > 0 ? std::string(separator) : "") + texts[i];
  if (texts.size() > limit) out += fmt::format("{}... and {} more", separator, texts.size() - limit);
  return out;
}

std::string percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? "-" : fmt::format("{:.1f}%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

/// Parameters by the rule that took them.
using Taken = std::unordered_map<std::string_view, std::vector<const PlannedParameter*>>;

std::string tie_text(const ParameterInfo& info) {
  std::vector<std::string> names;
  for (const auto& name : info.names) names.push_back(printable(name));
  return "= " + joined(names, ", ", 4);
}

/// A parameter as view_text sees it.
struct Viewed {
  const PlannedParameter* parameter;
  bool operator==(const Viewed& other) const {
    return parameter->parts == other.parameter->parts && parameter->view == other.parameter->view;
  }
};

/// A parameter as state_memory sees it.
struct Stateful {
  const PlannedParameter* parameter;
  bool operator==(const Stateful& other) const {
    const auto& a = *parameter;
    const auto& b = *other.parameter;
    return a.settings == b.settings && a.info.dtype == b.info.dtype && a.info.shape == b.info.shape &&
           a.parts == b.parts;
  }
};

/// The row of one rule (or of the fallback) from the parameters that it took.
std::vector<std::string> rule_row(const std::string& number, const std::string& id, const std::string& use,
                                  const Plan& plan, const std::vector<const PlannedParameter*>& taken,
                                  std::int64_t matched, std::int64_t total) {
  std::int64_t elements = 0;
  std::int64_t frozen = 0;
  std::vector<std::string> rates;
  std::vector<std::string> views;
  std::vector<std::string> remarks;
  Recent<double, std::string> rate_texts(short_number);
  Recent<Viewed, std::string> view_texts([](const Viewed& viewed) { return view_text(*viewed.parameter); });
  for (const auto* parameter : taken) {
    elements += parameter->info.numel();
    if (parameter->info.tied() && remarks.size() < 2) remarks.push_back(tie_text(parameter->info));
    if (parameter->frozen()) {
      ++frozen;
      continue;
    }
    const auto add = [](std::vector<std::string>& to, const std::string& text) {
      if (std::find(to.begin(), to.end(), text) == to.end()) to.push_back(text);
    };
    add(rates, rate_texts.of(parameter->factors.base * parameter->factors.rule));
    add(views, view_texts.of({parameter}));
  }
  if (frozen > 0 && use != "freeze") remarks.push_back(fmt::format("{} frozen", grouped(frozen)));
  if (const auto lost = matched - static_cast<std::int64_t>(taken.size()); lost > 0) {
    remarks.push_back(fmt::format("{} more matched, won by earlier rules", grouped(lost)));
  }
  const auto* group = plan.find_group(use);
  return {number,
          printable(id),
          grouped(static_cast<long long>(taken.size())),
          grouped(elements),
          percent(elements, total),
          printable(use),
          group == nullptr ? "-" : group->plugin,
          rates.empty() ? "-" : joined(rates, ", ", 2),
          views.empty() ? "-" : joined(views, "; ", 3),
          joined(remarks, "; ", 4)};
}

std::string rules_text(const Plan& plan, std::int64_t total) {
  Taken taken;
  for (const auto& parameter : plan.parameters) taken[parameter.rule].push_back(&parameter);
  TextTable table({Align::right, Align::left, Align::right, Align::right, Align::right, Align::left, Align::left,
                   Align::left, Align::left, Align::left});
  table.row({"#", "rule", "tensors", "elements", "share", "optimizer", "plugin", "lr", "view"});
  for (std::size_t i = 0; i < plan.rules.size(); ++i) {
    const auto& rule = plan.rules[i];
    table.row(rule_row(std::to_string(i + 1), rule.id, rule.use, plan, taken[rule.id], rule.matched, total));
  }
  table.row(rule_row("", "fallback", plan.fallback, plan, taken["fallback"], 0, total));
  auto out = table.text(1);
  if (plan.overrides.empty()) return out;
  TextTable overrides({Align::left, Align::left, Align::right, Align::left});
  for (const auto& entry : plan.overrides) {
    overrides.row({"override", printable(entry.id), counted(entry.matched, "tensor"), printable(entry.effect)});
  }
  return out + "\n" + overrides.text(1);
}

std::string frozen_text(const Plan& plan, std::size_t limit) {
  TextTable table({Align::left, Align::left, Align::left, Align::left});
  std::size_t count = 0;
  for (const auto& parameter : plan.parameters) {
    if (!parameter.frozen() || ++count > limit) continue;
    const auto& info = parameter.info;
    table.row({"freeze", printable(info.name()), fmt::format("{} {}", info.dtype_name, to_string(info.shape)),
               fmt::format("{}{}", printable(parameter.rule), info.requires_grad ? "" : " (requires_grad false)")});
  }
  auto out = table.text(1);
  if (count > limit) out += fmt::format(" ... and {} more frozen\n", count - limit);
  return out;
}

std::string settings_text(const Plan& plan) {
  TextTable table({Align::left, Align::left});
  for (const auto& group : plan.groups) {
    for (const auto& [name, schedule] : group.schedules) {
      table.row({"schedule", fmt::format("{}.{}  {}", printable(group.id), name, to_string(schedule))});
    }
  }
  const auto& gradients = plan.gradients;
  table.row({"gradients",
             fmt::format("{}, accumulation {}, a step with non-finite gradients is {}",
                         gradients.clip_norm ? "clip to norm " + short_number(*gradients.clip_norm) : "no clipping",
                         gradients.accumulation,
                         gradients.on_nonfinite == GradientPolicy::OnNonfinite::skip ? "skipped" : "an error")});
  for (const auto& sink : plan.sinks) {
    table.row({"sink", fmt::format("{} {}, every {}", sink.kind, printable(sink.path), counted(sink.every, "step"))});
  }
  return table.text();
}

std::string memory_text(const Plan& plan, const Registry& registry) {
  TextTable table({Align::left, Align::left, Align::right, Align::left});
  std::int64_t total = 0;
  std::int64_t trained = 0;
  for (const auto& group : plan.groups) {
    const auto* descriptor = registry.find(group.plugin);
    Tally kinds;
    std::int64_t bytes = 0;
    Recent<Stateful, std::vector<StateMemory>> states(
        [&](const Stateful& one) { return state_memory(*one.parameter, *descriptor); });
    for (const auto& parameter : plan.parameters) {
      if (parameter.frozen() || parameter.optimizer != group.id || descriptor == nullptr) continue;
      trained += parameter.info.numel();
      for (const auto& state : states.of({&parameter})) {
        kinds.add(state.kind, state.bytes);
        bytes += state.bytes;
      }
    }
    total += bytes;
    std::vector<std::string> texts;
    for (const auto& [kind, size] : kinds.rows()) texts.push_back(kind);
    table.row({"state", printable(group.id), bytes_text(bytes), joined(texts, " + ", 8)});
  }
  table.row({"", "total", bytes_text(total), fmt::format("AdamW in float32 for all: {}", bytes_text(8 * trained))});
  return table.text();
}

/// The calls that a step makes: execution groups by block shape, the largest stack, and what `auto` options become.
std::string execution_text(const Plan& plan, const Registry& registry, const Machine& machine, std::size_t limit) {
  std::vector<const PlannedParameter*> parameters;
  for (const auto& parameter : plan.parameters) parameters.push_back(&parameter);
  const auto groups = execution_groups(parameters, plan.groups, registry, default_workspace, machine);
  const bool mixed =
      std::any_of(groups.begin(), groups.end(), [&](const auto& group) { return group.dtype != groups[0].dtype; });
  std::vector<std::string> texts;
  std::size_t batches = 0;
  for (const auto& group : groups) {
    const auto dtype = mixed ? " " + std::string(to_string(group.dtype)) : "";
    if (!group.descriptor->needs_matrix()) {
      texts.push_back(fmt::format("{}{} x{}", group.descriptor->name, dtype, group.parameters.size()));
      continue;
    }
    Tally shapes;
    for (const auto& batch : group.batches) {
      shapes.add(fmt::format("{} {}x{}{}", group.descriptor->name, batch.out, batch.in, dtype),
                 static_cast<std::int64_t>(batch.entries.size()));
    }
    for (const auto& [shape, count] : shapes.rows()) texts.push_back(fmt::format("{} x{}", shape, count));
    batches += group.batches.size();
  }
  auto out = fmt::format("exec   {}: {}\n", counted(static_cast<long long>(texts.size()), "group"),
                         joined(texts, ", ", limit));
  if (batches > 0) {
    const auto workspace = peak_workspace(groups);
    out += fmt::format("stacks {}, at most {} each (bound {}), {} at once with temporaries\n", batches,
                       bytes_text(workspace.stack), bytes_text(default_workspace), bytes_text(workspace.peak));
  } else if (const auto workspace = peak_workspace(groups); workspace.peak > 0) {
    out += fmt::format("stacks none, at most {} of temporaries at once\n", bytes_text(workspace.peak));
  }
  for (const auto& group : plan.groups) {
    const auto* descriptor = registry.find(group.plugin);
    if (descriptor == nullptr || !descriptor->resolved) continue;
    if (const auto text = descriptor->resolved(group.options, machine); !text.empty())
      out += fmt::format("auto   {}: {}\n", printable(group.id), text);
  }
  return out;
}

std::string checks_text(const Plan& plan) {
  std::int64_t live = 0;
  std::int64_t unused = 0;
  std::int64_t shadowed = 0;
  for (const auto& rule : plan.rules) ++(rule.won > 0 ? live : rule.matched > 0 ? shadowed : unused);
  return fmt::format("checks {} live, {} unused, {} shadowed, {}, {}\n", counted(live, "rule"), unused, shadowed,
                     counted(static_cast<long long>(plan.diagnostics.count(Severity::warning)), "warning"),
                     counted(static_cast<long long>(plan.diagnostics.count(Severity::note)), "note"));
}

}  // namespace

std::string short_number(double value) { return fmt::format("{:.6g}", value); }

std::string view_text(const PlannedParameter& parameter) {
  if (parameter.parts.empty()) return "-";
  const auto shape = [](const PlannedPart& part) { return fmt::format("{}x{}", part.out, part.in); };
  const auto& parts = parameter.parts;
  std::string out;
  if (parameter.view.split_axis >= 0) {
    std::vector<std::string> names;
    for (const auto& part : parts) names.push_back(printable(part.name));
    out += "split " + joined(names, "|", 6) + ", ";
  }
  if (!parameter.view.batch.empty()) out += "batch, ";
  if (parameter.view.heads_axis >= 0) out += "heads, ";
  const bool equal = std::all_of(parts.begin(), parts.end(), [&](const PlannedPart& part) {
    return part.out == parts[0].out && part.in == parts[0].in;
  });
  if (equal) {
    std::int64_t count = 0;
    for (const auto& part : parts) count += part.count;
    return out + (count == 1 ? shape(parts[0]) : fmt::format("{} x {}", count, shape(parts[0])));
  }
  std::vector<std::string> texts;
  for (const auto& part : parts)
    texts.push_back(part.count == 1 ? shape(part) : fmt::format("{} x {}", part.count, shape(part)));
  return out + joined(texts, " | ", 6);
}

std::string plan_text(const Plan& plan, const Registry& registry, const ParameterTable& table,
                      const PlanTextOptions& options) {
  std::int64_t ties = 0;
  std::int64_t frozen = 0;
  for (const auto& parameter : plan.parameters) {
    ties += parameter.info.tied() ? 1 : 0;
    frozen += parameter.frozen() ? 1 : 0;
  }
  auto out = fmt::format("spec   {}{}\n", plan.name.empty() ? "" : printable(plan.name) + "   ", options.spec_file);
  out +=
      fmt::format("model  {}, {}, {}, {}, {} frozen   {}\n\n", counted(static_cast<long long>(table.size()), "tensor"),
                  counted(static_cast<long long>(table.name_count()), "name"), counted(table.numel(), "element"),
                  counted(ties, "tie"), grouped(frozen), options.model_file);
  out += rules_text(plan, table.numel()) + "\n";
  if (frozen > 0) out += frozen_text(plan, options.list_limit) + "\n";
  out += settings_text(plan) + "\n";
  out += memory_text(plan, registry) + "\n";
  out += execution_text(plan, registry, options.machine, options.list_limit);
  out += checks_text(plan);
  out += fmt::format("hash   state {}   plan {}\n", plan.state_hash.substr(0, 16), plan.plan_hash.substr(0, 16));
  return out;
}

}  // namespace switchyard
