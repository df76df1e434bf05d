#include <fmt/format.h>

#include "cli/verbs.h"
#include "core/option.h"
#include "rules/plugins_json.h"
#include "rules/text_table.h"

namespace switchyard::cli {

namespace {

using Align = TextTable::Align;

std::string remarks(const OptionInfo& option) {
  std::string out;
  if (option.schedulable) out += ", schedulable";
  if (option.arithmetic) out += ", rounding only";
  return out;
}

/// "loaded from FILE: specs are checked and planned with it, but not run"
std::string loaded(const OptimizerDescriptor& descriptor) {
  if (descriptor.loaded_from.empty()) return "";
  return fmt::format("loaded from {}: specs are checked and planned with it, but not run", descriptor.loaded_from);
}

/// What `extends` would bring: the optimizers and rules with their reasons.
std::string suggestions(const std::string& name, const Json& plugin) {
  const auto* defaults = plugin.find("defaults");
  if (defaults == nullptr) return "";
  auto out = fmt::format("\nsuggests, with \"extends\": \"plugin:{}/defaults\"\n", name);
  TextTable table({Align::left, Align::left, Align::left});
  const auto text = [](const Json& entry, const char* key) {
    const auto* found = entry.find(key);
    return found == nullptr ? std::string() : found->is(Json::Kind::string) ? found->as_string() : dump_json(*found);
  };
  if (const auto* optimizers = defaults->find("optimizers")) {
    for (const auto& entry : optimizers->members()) table.row({"optimizer", entry.key, dump_json(entry.value)});
  }
  if (const auto* rules = defaults->find("rules")) {
    for (const auto& rule : rules->items()) table.row({"rule", text(rule, "id"), text(rule, "note")});
  }
  if (defaults->find("fallback") != nullptr) table.row({"fallback", text(*defaults, "fallback"), ""});
  if (table.empty()) table.row({"nothing that routes", "", ""});
  return out + table.text(2);
}

std::string plugin_text(const OptimizerDescriptor& descriptor) {
  auto out = fmt::format("{} {}   {}\n", descriptor.name, descriptor.version, descriptor.doc);
  if (!descriptor.loaded_from.empty()) out += loaded(descriptor) + "\n";
  out += "\noptions\n";
  TextTable options({Align::left, Align::left, Align::left, Align::left});
  for (const auto& option : descriptor.table.options) {
    options.row({option.name, to_string(option.default_value),
                 (option.type == OptionType::choice ? "a choice" : expected(option)) + remarks(option), option.doc});
    for (const auto& choice : option.choices) options.row({"", "", "  " + choice.name, choice.doc});
  }
  out += options.text(2);
  // The traits and slots by the names of the document, so that text and JSON cannot tell different things.
  const auto json = plugin_json(descriptor);
  out += "\nstate\n";
  TextTable slots({Align::left, Align::left, Align::left});
  for (const auto& slot : json.find("slots")->items()) {
    const auto* when = slot.find("when");
    slots.row({slot.find("name")->as_string(), slot.find("shape")->as_string(),
               when == nullptr ? "" : "with " + when->as_string()});
  }
  if (slots.empty()) slots.row({"none"});
  out += slots.text(2);
  out += "\ntraits\n";
  TextTable traits({Align::left, Align::left});
  for (const auto& member : json.find("traits")->members()) {
    const auto& value = member.value;
    traits.row({member.key, value.is(Json::Kind::string) ? value.as_string() : dump_json(value)});
  }
  return out + traits.text(2) + suggestions(descriptor.name, json);
}

}  // namespace

Report list_plugins(Format format, const Registry& registry) {
  Report report;
  if (format == Format::json) {
    report.out = document(plugins_json(registry));
    return report;
  }
  TextTable table({Align::left, Align::left, Align::left, Align::left});
  for (const auto& descriptor : registry.optimizers())
    table.row({descriptor.name, descriptor.version, descriptor.doc, loaded(descriptor)});
  report.out = table.text();
  return report;
}

Report show_plugin(const std::string& name, Format format, const Registry& registry) {
  const auto* descriptor = registry.find(name);
  if (descriptor == nullptr) {
    const auto near = nearest(name, registry.names());
    throw UsageError(fmt::format("there is no plugin `{}`{}", printable(name),
                                 near.empty() ? "" : "; did you mean `" + near + "`?"));
  }
  Report report;
  if (format == Format::json) {
    Registry one;
    one.add(*descriptor);
    report.out = document(plugins_json(one));
  } else {
    report.out = plugin_text(*descriptor);
  }
  return report;
}

}  // namespace switchyard::cli
