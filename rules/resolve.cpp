#include "rules/resolve.h"

#include <fmt/format.h>

#include <algorithm>

#include "rules/reader.h"
#include "rules/view.h"

namespace switchyard {

namespace {

constexpr std::size_t most_listed = 5;

const SpecRule* rule_of(const Spec& spec, const Route& route) {
  return route.rule < 0 ? nullptr : &spec.rules[static_cast<std::size_t>(route.rule)];
}

std::string taken_by(const SpecRule* rule) {
  return rule == nullptr ? "the fallback" : fmt::format("rule `{}`", rule->id);
}

}  // namespace

Diagnostic* Resolver::once(const std::string& key, const PlannedParameter& parameter, const std::string& code) {
  const auto [found, fresh] = known_.emplace(code + '\0' + key, findings_.size());
  if (!fresh) {
    auto& finding = findings_[found->second];
    ++finding.others;
    if (finding.more.size() < most_listed) finding.more.push_back(parameter.info.name());
    return nullptr;
  }
  findings_.emplace_back();
  auto& first = findings_.back().first;
  first.code = code;
  first.subject = parameter.info.name();
  return &first;
}

void Resolver::report(Diagnostics& diagnostics) {
  for (auto& finding : findings_) {
    auto& out = diagnostics.error(finding.first.code, "");
    out = std::move(finding.first);
    if (finding.others == 0) continue;
    const auto hidden = finding.others - finding.more.size();
    out.notes.push_back(fmt::format("the same holds for {} more: {}{}", finding.others, listed(finding.more),
                                    hidden > 0 ? ", ..." : ""));
  }
}

bool Resolver::check_dtype(const Route& route, const PlannedParameter& out) {
  if (trainable(out.info.dtype)) return true;
  const auto* rule = rule_of(spec_, route);
  if (auto* finding = once(rule_key(route) + out.info.dtype_name, out, "SWY-2007")) {
    finding->message = fmt::format("`{}` has dtype {}, which no plugin trains", out.info.name(), out.info.dtype_name);
    finding->place = rule == nullptr ? spec_.fallback_place : rule->place;
    finding->label = "takes it";
    finding->help = "freeze it by a rule before this one, or convert it to float32, bfloat16, float16 or float64";
  }
  return false;
}

bool Resolver::apply(const Source& source, const OptimizerDescriptor& plugin, std::map<std::string, Source>& owners,
                     PlannedParameter& out) {
  const auto& setting = *source.setting;
  const auto* option = plugin.table.find(setting.name);
  if (option == nullptr) {
    if (auto* finding = once(source.id + '/' + setting.name + '/' + plugin.name, out, "SWY-2011")) {
      finding->message = fmt::format("{} sets `{}`, but `{}` is trained by plugin `{}`, which has no such option",
                                     source.said_by, setting.name, out.info.name(), plugin.name);
      finding->place = setting.place;
      finding->help = did_you_mean(setting.name, plugin.table.names());
      finding->help += fmt::format("{}narrow the override with `except`   (options: {})",
                                   finding->help.empty() ? "" : " or ", listed(plugin.table.names()));
    }
    return false;
  }
  auto value = setting.value;
  const auto problem = check_option(*option, value);
  if (!problem.empty()) {
    if (auto* finding = once(source.id + '/' + setting.name + '/' + plugin.name, out, "SWY-2012")) {
      finding->message = fmt::format("{} sets `{}` to {}, but plugin `{}` of `{}` wants {}", source.said_by,
                                     setting.name, to_string(setting.value), plugin.name, out.info.name(), problem);
      finding->place = setting.place;
      finding->label = "expected " + problem;
    }
    return false;
  }
  const auto& current = *find_option(out.settings, setting.name);
  const auto [owner, fresh] = owners.emplace(setting.name, source);
  if (!fresh) {
    if (current == value) return true;
    if (auto* finding = once(owner->second.id + '/' + source.id + '/' + setting.name, out, "SWY-2010")) {
      finding->message = fmt::format("two values for `{}` of `{}`", setting.name, out.info.name());
      finding->place = setting.place;
      finding->label = fmt::format("{} sets {}", source.said_by, to_string(value));
      finding->related.push_back(
          {fmt::format("{} sets {}", owner->second.said_by, to_string(current)), owner->second.setting->place});
      finding->help = "narrow one of them with `except`, or make them equal";
    }
    return false;
  }
  out.settings.set(setting.name, std::move(value));
  out.own_settings.push_back(setting.name);
  return true;
}

bool Resolver::decay(const Route& route, const OptimizerDescriptor& plugin, PlannedParameter& out) {
  const auto* rule = rule_of(spec_, route);
  if (rule != nullptr && rule->set.wd_scale) out.decay_scale *= *rule->set.wd_scale;
  const auto* option = plugin.table.with_role(OptionRole::weight_decay);
  for (const auto i : route.overrides) {
    const auto& entry = spec_.overrides[static_cast<std::size_t>(i)];
    if (!entry.set.wd_scale) continue;
    if (option == nullptr) {
      if (auto* finding = once("o" + std::to_string(i) + "/wd_scale/" + plugin.name, out, "SWY-2011")) {
        finding->message =
            fmt::format("override `{}` sets `wd_scale`, but `{}` is trained by plugin `{}`, which has no weight decay",
                        entry.id, out.info.name(), plugin.name);
        finding->place = entry.set.place;
        finding->help = "narrow the override with `except`";
      }
      return false;
    }
    out.decay_scale *= *entry.set.wd_scale;
  }
  if (option == nullptr || out.decay_scale == 1) return true;
  OptionValue value = std::get<double>(*find_option(out.settings, option->name)) * out.decay_scale;
  const auto problem = check_option(*option, value);
  out.settings.set(option->name, value);
  if (problem.empty()) return true;
  if (auto* finding = once(rule_key(route) + "/wd_scale", out, "SWY-2012")) {
    finding->message = fmt::format("the decay factors of `{}` make `{}` {}, but plugin `{}` wants {}", out.info.name(),
                                   option->name, to_string(value), plugin.name, problem);
    finding->place = route.overrides.empty() && rule != nullptr ? rule->set.place
                     : route.overrides.empty()
                         ? Place{}
                         : spec_.overrides[static_cast<std::size_t>(route.overrides.back())].set.place;
  }
  return false;
}

bool Resolver::settings(const Route& route, const OptimizerDescriptor& plugin, PlannedParameter& out) {
  const auto* rule = rule_of(spec_, route);
  bool good = true;
  if ((rule != nullptr && !rule->set.empty()) || !route.overrides.empty()) {
    std::map<std::string, Source> owners;
    if (rule != nullptr) {
      for (const auto& setting : rule->set.options) {
        good =
            apply({&setting, fmt::format("rule `{}`", rule->id), "r" + rule_key(route)}, plugin, owners, out) && good;
      }
    }
    for (const auto i : route.overrides) {
      const auto& entry = spec_.overrides[static_cast<std::size_t>(i)];
      for (const auto& setting : entry.set.options) {
        good =
            apply({&setting, fmt::format("override `{}`", entry.id), "o" + std::to_string(i)}, plugin, owners, out) &&
            good;
      }
    }
    std::sort(out.own_settings.begin(), out.own_settings.end());
    good = decay(route, plugin, out) && good;
    const auto problem = good && plugin.check && !out.own_settings.empty() ? plugin.check(out.settings) : "";
    if (!problem.empty()) {
      if (auto* finding = once(rule_key(route) + problem, out, "SWY-2013")) {
        finding->message = fmt::format("the options of `{}` (plugin `{}`) do not fit together: {}", out.info.name(),
                                       plugin.name, problem);
        finding->place = owners.begin()->second.setting->place;
        finding->help = fmt::format("fixed for it: {}", listed(out.own_settings));
      }
      good = false;
    }
  }
  return good;
}

bool Resolver::view(const Route& route, const OptimizerDescriptor& plugin, PlannedParameter& out) {
  const auto* rule = rule_of(spec_, route);
  if (!plugin.needs_matrix() && (rule == nullptr || !rule->view)) {
    // Constraints and monitors see blocks whatever the plugin; where nothing gives roles, there are none.
    if (auto roles = default_view(out.info.shape.size(), out.info.module)) out.view = std::move(*roles);
    return true;
  }
  ViewProblem problem;
  auto resolved = resolve_view(rule != nullptr && rule->view ? &*rule->view : nullptr, out.info, problem);
  if (resolved) {
    out.view = std::move(*resolved);
    return true;
  }
  if (auto* finding = once(rule_key(route), out, problem.code)) {
    const std::string what = problem.code == "SWY-2020"   ? "split sizes do not add up for"
                             : problem.code == "SWY-2021" ? "plugin `" + plugin.name + "` needs `matrix` roles for"
                             : problem.code == "SWY-2022" ? "plugin `" + plugin.name + "` works on matrices, not on"
                                                          : "`matrix` does not fit";
    finding->message = fmt::format("{} `{}`, taken by {}: {}", what, out.info.name(), taken_by(rule), problem.message);
    finding->place = !problem.place.span.file.empty() ? problem.place
                     : rule == nullptr                ? spec_.fallback_place
                                                      : rule->place;
    finding->help = problem.help;
  }
  return false;
}

bool Resolver::resolve(const Route& route, PlannedParameter& out) {
  const auto* rule = rule_of(spec_, route);
  out.rule = rule == nullptr ? "fallback" : rule->id;
  out.optimizer = optimizer_of(spec_, route);
  out.reason = route.reason;
  if (route.frozen || !route.taken) return true;
  const auto& optimizer = *spec_.find_optimizer(out.optimizer);
  const auto& plugin = *registry_.find(optimizer.plugin);
  out.plugin = plugin.name;
  out.settings = optimizer.options;
  out.factors.base = optimizer.base(spec_.base_lr);
  if (rule != nullptr) out.factors.rule = rule->set.lr_scale.value_or(1);
  for (const auto i : route.overrides) {
    const auto& entry = spec_.overrides[static_cast<std::size_t>(i)];
    if (entry.set.lr_scale) out.factors.overrides.emplace_back(entry.id, *entry.set.lr_scale);
  }
  if (!check_dtype(route, out)) return false;
  const bool good = settings(route, plugin, out);
  return view(route, plugin, out) && good;
}

}  // namespace switchyard
