#include "rules/plan_html.h"

#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/json.h"
#include "rules/state_memory.h"

namespace switchyard {

namespace {

constexpr std::string_view placeholder = "{{plan}}";

using Numbers = std::unordered_map<std::string, std::int64_t>;

Json optimizers_json(const Plan& plan, Numbers& numbers) {
  auto list = Json::array();
  const auto add = [&](const std::string& id, const std::string& plugin) {
    numbers.emplace(id, static_cast<std::int64_t>(list.size()));
    auto row = Json::object();
    row.set("id", id);
    row.set("plugin", plugin);
    list.push(std::move(row));
  };
  for (const auto& group : plan.groups) add(group.id, group.plugin);
  add("freeze", "");
  return list;
}

/// The rules in document order, and the fallback as the last one, with an empty place. "lost": [[number of the rule
/// that takes them, tensors]...].
Json rules_json(const Plan& plan, const Sources& sources, const Losses& losses, Numbers& numbers) {
  RuleSummary fallback;
  fallback.id = "fallback";
  fallback.use = plan.fallback;
  for (const auto& parameter : plan.parameters) {
    if (parameter.rule != fallback.id) continue;
    ++fallback.won;
    fallback.elements += parameter.info.numel();
  }
  fallback.matched = fallback.won;
  auto list = Json::array();
  const auto add = [&](const RuleSummary& rule, const std::string& place) {
    numbers.emplace(rule.id, static_cast<std::int64_t>(list.size()));
    auto row = Json::object();
    row.set("id", rule.id);
    row.set("use", rule.use);
    row.set("matched", Json::integer(rule.matched));
    row.set("won", Json::integer(rule.won));
    row.set("elements", Json::integer(rule.elements));
    row.set("place", place);
    if (const auto lost = losses.find(rule.id); lost != losses.end()) {
      auto takers = Json::array();
      for (const auto& [id, count] : lost->second) {
        auto taker = Json::array();
        taker.push(Json::integer(numbers.at(id)));
        taker.push(Json::integer(count));
        takers.push(std::move(taker));
      }
      row.set("lost", std::move(takers));
    }
    list.push(std::move(row));
  };
  for (const auto& rule : plan.rules) {
    const auto place = render_location(rule.place.span, sources);
    add(rule, place.empty() ? "spec" : place);
  }
  add(fallback, "");
  return list;
}

/// [name, aliases, shape, dtype, elements, rule, optimizer, blocks, lr, bytes of state, reason]
Json parameter_json(const PlannedParameter& parameter, const Registry& registry, std::int64_t rule,
                    std::int64_t optimizer) {
  const auto& info = parameter.info;
  auto row = Json::array();
  row.push(Json::string(info.name()));
  auto aliases = Json::array();
  for (std::size_t i = 1; i < info.names.size(); ++i) aliases.push(Json::string(info.names[i]));
  row.push(std::move(aliases));
  row.push(Json::string(to_string(info.shape)));
  row.push(Json::string(info.dtype_name));
  row.push(Json::integer(info.numel()));
  row.push(Json::integer(rule));
  row.push(Json::integer(optimizer));
  row.push(Json::string(view_text(parameter)));
  row.push(Json::real(parameter.frozen() ? 0 : parameter.factors.lr()));
  std::int64_t bytes = 0;
  if (const auto* descriptor = registry.find(parameter.plugin); descriptor != nullptr && !parameter.frozen()) {
    for (const auto& state : state_memory(parameter, *descriptor)) bytes += state.bytes;
  }
  row.push(Json::integer(bytes));
  row.push(Json::string(parameter.reason));
  return row;
}

Json findings_json(const Plan& plan, const Sources& sources) {
  auto list = Json::array();
  for (const auto& item : plan.diagnostics.items()) {
    auto row = Json::object();
    row.set("severity", std::string(to_string(item.severity)));
    row.set("code", item.code);
    row.set("message", item.message);
    row.set("place", render_location(item.place.span, sources));
    list.push(std::move(row));
  }
  return list;
}

}  // namespace

std::string script_safe(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto c = json[i];
    if (c == '<') {
      out += "\\u003c";
    } else if (c == '>') {
      out += "\\u003e";
    } else if (c == '&') {
      out += "\\u0026";
    } else if (json.compare(i, 3, "\xe2\x80\xa8") == 0 || json.compare(i, 3, "\xe2\x80\xa9") == 0) {
      out += json[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += c;
    }
  }
  return out;
}

std::string plan_html(const Plan& plan, const Registry& registry, const Sources& sources, const Losses& losses,
                      const PlanTextOptions& options) {
  Numbers optimizers;
  Numbers rules;
  auto data = Json::object();
  data.set("name", plan.name);
  data.set("spec", options.spec_file);
  data.set("model", options.model_file);
  data.set("state_hash", plan.state_hash);
  data.set("plan_hash", plan.plan_hash);
  std::int64_t elements = 0;
  for (const auto& parameter : plan.parameters) elements += parameter.info.numel();
  data.set("elements", Json::integer(elements));
  data.set("optimizers", optimizers_json(plan, optimizers));
  data.set("rules", rules_json(plan, sources, losses, rules));
  auto parameters = Json::array();
  for (const auto& parameter : plan.parameters) {
    const auto& used = parameter.frozen() ? "freeze" : parameter.optimizer;
    parameters.push(parameter_json(parameter, registry, rules.at(parameter.rule), optimizers.at(used)));
  }
  data.set("parameters", std::move(parameters));
  data.set("diagnostics", findings_json(plan, sources));
  std::string page = plan_html_template;
  const auto at = page.find(placeholder);
  if (at == std::string::npos) throw std::logic_error("the template of the page has no place for the plan");
  return page.replace(at, placeholder.size(), script_safe(dump_json(data)));
}

}  // namespace switchyard
