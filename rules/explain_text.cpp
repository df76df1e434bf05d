#include "rules/explain_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "rules/plan_text.h"
#include "rules/text_table.h"
#include "rules/view_drawing.h"

namespace switchyard {

namespace {

using Align = TextTable::Align;

template <class Entries>
auto find_by_id(const Entries& entries, std::string_view id) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.id == id; });
  return found == entries.end() ? nullptr : &*found;
}

/// Who fixed an option of this tensor. The last to speak is asked first.
std::string origin(const std::string& option, const RuleTrace& trace, const Spec& spec) {
  for (const auto& verdict : trace.overrides) {
    const auto* entry = find_by_id(spec.overrides, verdict.id);
    if (verdict.matches && entry != nullptr && entry->set.find(option) != nullptr) return "override " + verdict.id;
  }
  const auto* rule = find_by_id(spec.rules, trace.winner);
  if (rule != nullptr && rule->set.find(option) != nullptr) return "rule";
  const auto* optimizer = spec.find_optimizer(trace.optimizer);
  const bool given = optimizer != nullptr &&
                     std::find(optimizer->given.begin(), optimizer->given.end(), option) != optimizer->given.end();
  return given ? "optimizer" : "default";
}

std::string head_text(const ParameterInfo& info) {
  std::string ties = "untied";
  if (info.tied()) {
    ties = "tied with ";
    for (std::size_t i = 1; i < info.names.size(); ++i) ties += (i > 1 ? ", " : "") + printable(info.names[i]);
  }
  return fmt::format("{}   {} {}   {}{}   {}   {}\n", printable(info.name()), info.dtype_name, to_string(info.shape),
                     counted(info.numel(), "element"), info.module.empty() ? "" : "   module " + printable(info.module),
                     ties, info.requires_grad ? "trainable" : "requires_grad false");
}

std::string trace_text(const RuleTrace& trace, const Spec& spec, const Sources& sources) {
  TextTable rules({Align::right, Align::left, Align::left, Align::left, Align::left});
  for (std::size_t i = 0; i < trace.rules.size(); ++i) {
    const auto& rule = trace.rules[i];
    rules.row({std::to_string(i + 1), printable(rule.id), std::string(to_string(rule.verdict)), printable(rule.why),
               render_location(rule.place.span, sources)});
  }
  rules.row({"", "fallback", trace.winner == "fallback" ? "WINS" : "-", printable(spec.fallback),
             render_location(spec.fallback_place.span, sources)});
  auto out = rules.text(2);
  TextTable overrides({Align::left, Align::left, Align::left, Align::left, Align::left});
  for (const auto& entry : trace.overrides) {
    overrides.row({"override " + printable(entry.id),
                   entry.disabled  ? "disabled"
                   : entry.matches ? "applies"
                                   : "no",
                   printable(entry.effect), printable(entry.why), render_location(entry.place.span, sources)});
  }
  return out + overrides.text(2);
}

/// "[768, 1536)", "[64, 128) + k 192, k < 12".
std::string select_text(const PlannedPart& part) {
  if (part.select_axis < 0) return "";
  const auto& cut = part.select;
  const auto range = fmt::format("axis {} [{}, {})", part.select_axis, cut.start, cut.start + cut.length);
  return cut.times == 1 ? range : fmt::format("{} + k {}, k < {}", range, cut.stride, cut.times);
}

std::string axes_text(const std::vector<int>& axes) { return fmt::format("[{}]", fmt::join(axes, ", ")); }

std::string blocks_text(const PlannedParameter& planned) {
  if (planned.parts.empty()) return "";
  const auto& view = planned.view;
  auto out = fmt::format("  view      out {}, in {}", axes_text(view.out), axes_text(view.in));
  if (!view.batch.empty()) out += fmt::format(", batch {}", axes_text(view.batch));
  if (view.heads_axis >= 0) out += fmt::format(", heads of {} on axis {}", view.head_size, view.heads_axis);
  out += "\n";
  TextTable table({Align::left, Align::right, Align::left, Align::left, Align::left});
  for (const auto& part : planned.parts) {
    table.row({"block " + (part.name.empty() ? "(whole)" : printable(part.name)), fmt::format("{} x", part.count),
               fmt::format("{}x{}", part.out, part.in), fmt::format("update scale {}", short_number(part.scale)),
               select_text(part)});
  }
  return out + view_drawing(planned) + table.text(2);
}

std::string factors_text(const LrFactors& factors) {
  auto out = fmt::format("{} base", short_number(factors.base));
  if (factors.rule != 1) out += fmt::format(" x {} rule", short_number(factors.rule));
  for (const auto& [id, factor] : factors.overrides)
    out += fmt::format(" x {} {}", short_number(factor), printable(id));
  if (factors.modular_norm != 1) out += fmt::format(" x {} modular norm", short_number(factors.modular_norm));
  return out + fmt::format(" = {}", short_number(factors.lr()));
}

/// Steps that show a schedule: the first, the end of the warmup, the ends of its pieces, the last.
std::set<std::int64_t> telling_steps(const Schedule& schedule) {
  std::set<std::int64_t> steps = {0};
  if (schedule.kind == Schedule::Kind::piecewise) {
    for (const auto& [t, value] : schedule.points) steps.insert(t);
    return steps;
  }
  if (schedule.warmup > 0) steps.insert(schedule.warmup);
  if (schedule.kind == Schedule::Kind::constant) return steps;
  if (schedule.kind == Schedule::Kind::wsd) steps.insert(schedule.total - schedule.decay);
  steps.insert(schedule.total);
  return steps;
}

std::string schedule_text(const std::string& name, const Schedule& schedule, double factor) {
  auto out = fmt::format("  {:<9} {}\n            ", name == "lr" ? "lr(t)" : name + "(t)", to_string(schedule));
  const char* separator = "";
  for (const auto t : telling_steps(schedule)) {
    out += fmt::format("{}t = {}: {}", separator, t, short_number(factor * schedule(t)));
    separator = "   ";
  }
  return out + "\n";
}

std::string planned_text(const PlannedParameter& planned, const PlannedGroup& group, const RuleTrace& trace,
                         const Spec& spec, const Registry& registry) {
  const auto* descriptor = registry.find(planned.plugin);
  auto out = fmt::format("\noptimizer {} ({} {})\n", printable(planned.optimizer), planned.plugin,
                         descriptor == nullptr ? "" : descriptor->version);
  out += blocks_text(planned);
  out += fmt::format("  lr        {}\n", factors_text(planned.factors));
  const auto& own = planned.own_settings;
  const auto follows = [&](const std::string& name) { return std::find(own.begin(), own.end(), name) == own.end(); };
  for (const auto& [name, schedule] : group.schedules) {
    if (name == "lr") {
      out += schedule_text(name, schedule, planned.factors.lr());
    } else if (follows(name)) {
      out += schedule_text(name, schedule, 1);
    }
  }
  TextTable settings({Align::left, Align::left, Align::left});
  const auto* decay = descriptor == nullptr ? nullptr : descriptor->table.with_role(OptionRole::weight_decay);
  for (const auto& [name, value] : planned.settings) {
    auto from = origin(name, trace, spec);
    for (const auto& [scheduled, schedule] : group.schedules) {
      if (scheduled == name && follows(name)) from = "schedule, " + from + " unused";
    }
    if (decay != nullptr && decay->name == name && planned.decay_scale != 1) {
      from += fmt::format(", times wd_scale {}", short_number(planned.decay_scale));
    }
    const auto* number = std::get_if<double>(&value);
    settings.row({name, number == nullptr ? to_string(value) : short_number(*number), printable(from)});
  }
  return out + "settings\n" + settings.text(2);
}

Json place_into(Json json, const Place& place, const Sources& sources) {
  json.set("file", place.span.file);
  LineColumn at;
  if (const auto source = sources.find(place.span.file); source != sources.end()) {
    at = line_column(source->second, place.span.offset);
  }
  json.set("line", Json::integer(at.line));
  return json;
}

}  // namespace

std::string explain_text(const RuleTrace& trace, const PlannedParameter* planned, const PlannedGroup* group,
                         const Spec& spec, const Registry& registry, const Sources& sources) {
  auto out = head_text(trace.info) + trace_text(trace, spec, sources);
  if (planned != nullptr && group != nullptr && !planned->frozen()) {
    return out + planned_text(*planned, *group, trace, spec, registry);
  }
  const bool frozen = planned != nullptr ? planned->frozen() : trace.optimizer == "freeze";
  if (frozen) return out + fmt::format("\nfreeze: {}\n", printable(trace.reason));
  return out + (trace.optimizer.empty() ? "\nno rule takes it, and the fallback is \"error\"\n"
                                        : fmt::format("\noptimizer {}\n", printable(trace.optimizer)));
}

Json explain_json(const RuleTrace& trace, const PlannedParameter* planned, const PlannedGroup* group, const Spec& spec,
                  const Diagnostics& diagnostics, const Sources& sources) {
  auto json = Json::object();
  json.set("switchyard_explain", Json::integer(1));
  json.set("parameter", planned == nullptr ? Json::null() : to_json(*planned, group));
  auto& rules = json.set("rules", Json::array());
  for (const auto& rule : trace.rules) {
    auto row = Json::object();
    row.set("id", rule.id);
    row.set("use", rule.use);
    row.set("verdict", std::string(to_string(rule.verdict)));
    row.set("why", rule.why);
    rules.push(place_into(std::move(row), rule.place, sources));
  }
  auto& overrides = json.set("overrides", Json::array());
  for (const auto& entry : trace.overrides) {
    auto row = Json::object();
    row.set("id", entry.id);
    row.set("effect", entry.effect);
    row.set("matches", Json::boolean(entry.matches));
    row.set("why", entry.why);
    overrides.push(place_into(std::move(row), entry.place, sources));
  }
  json.set("winner", trace.winner);
  json.set("optimizer", trace.optimizer);
  json.set("reason", trace.reason);
  auto& origins = json.set("origins", Json::object());
  if (planned != nullptr) {
    for (const auto& [name, value] : planned->settings) origins.set(name, origin(name, trace, spec));
  }
  auto& list = json.set("diagnostics", Json::array());
  for (const auto& diagnostic : diagnostics.items()) list.push(to_json(diagnostic, sources));
  return json;
}

}  // namespace switchyard
