#include "rules/spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "rules/extends.h"
#include "rules/spec_reader.h"

namespace switchyard {

const SpecSetting* SpecSettings::find(std::string_view name) const {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](const SpecSetting& setting) { return setting.name == name; });
  return found == options.end() ? nullptr : &*found;
}

std::string SpecSettings::text() const {
  std::vector<std::string> out;
  if (lr_scale) out.push_back("lr_scale " + shortest(*lr_scale));
  if (wd_scale) out.push_back("wd_scale " + shortest(*wd_scale));
  for (const auto& setting : options) out.push_back(setting.name + " " + to_string(setting.value));
  return listed(out);
}

double SpecOptimizer::base(const std::optional<double>& base_lr) const {
  return lr ? *lr : base_lr.value_or(0) * lr_scale.value_or(1);
}

const SpecOptimizer* Spec::find_optimizer(std::string_view id) const {
  const auto found =
      std::find_if(optimizers.begin(), optimizers.end(), [&](const auto& optimizer) { return optimizer.id == id; });
  return found == optimizers.end() ? nullptr : &*found;
}

const SpecSchedule* Spec::find_schedule(std::string_view id) const {
  const auto found =
      std::find_if(schedules.begin(), schedules.end(), [&](const auto& schedule) { return schedule.id == id; });
  return found == schedules.end() ? nullptr : &*found;
}

std::vector<std::string> SpecDraft::option_names(const OptimizerDescriptor* plugin) const {
  if (plugin != nullptr) return plugin->table.names();
  std::set<std::string> out;
  for (const auto& one : registry.optimizers()) {
    for (const auto& option : one.table.options) out.insert(option.name);
  }
  return {out.begin(), out.end()};
}

const OptimizerDescriptor* SpecDraft::plugin_of(const std::string& optimizer) const {
  const auto* found = spec.find_optimizer(optimizer);
  return found == nullptr ? nullptr : registry.find(found->plugin);
}

bool SpecDraft::check_optimizer(const Node& node, const std::string& what, const std::string& id,
                                std::vector<std::string> also) {
  optimizers_used.insert(id);
  const auto in = [&](const std::vector<std::string>& ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  if (in(also) || in(optimizer_ids)) return true;
  if (!optimizers_known) return false;
  also.insert(also.begin(), optimizer_ids.begin(), optimizer_ids.end());
  auto& finding = read.error(
      "SWY-1016", fmt::format("{} names `{}`, which is no optimizer of this spec", what, shown(id)), node.place());
  finding.label = "no such optimizer";
  finding.help = did_you_mean(id, also);
  finding.help += fmt::format("{}(legal: {})", finding.help.empty() ? "" : "   ", listed(also));
  return false;
}

namespace {

void read_texts(SpecDraft& draft, const Node& root) {
  if (const auto node = root.child("$schema")) draft.read.text(*node, "`$schema`");
  if (const auto node = root.child("name")) draft.spec.name = draft.read.text(*node, "`name`").value_or("");
  if (const auto node = root.child("description"))
    draft.spec.description = draft.read.text(*node, "`description`").value_or("");
}

void read_base_lr(SpecDraft& draft, const Node& root) {
  const auto node = root.child("base_lr");
  if (!node) {
    draft.base_lr_broken = draft.read.meant(root, "base_lr");
    return;
  }
  draft.spec.base_lr = draft.read.number(*node, "`base_lr`", at_least(0));
  draft.base_lr_broken = !draft.spec.base_lr;
}

void warn_unused(SpecDraft& draft) {
  for (const auto& optimizer : draft.spec.optimizers) {
    if (draft.optimizers_used.count(optimizer.id) > 0) continue;
    draft.spec.warnings
        .warning("SWY-2008", fmt::format("no rule uses the optimizer `{}`", optimizer.id), optimizer.place)
        .help = "remove it, or name it in a rule's `use`";
  }
  for (const auto& schedule : draft.spec.schedules) {
    if (draft.schedules_used.count(schedule.id) > 0) continue;
    draft.spec.warnings
        .warning("SWY-2009", fmt::format("no optimizer uses the schedule `{}`", schedule.id), schedule.place)
        .help = fmt::format("remove it, or add \"schedules\": {{\"lr\": \"{}\"}} to an optimizer", schedule.id);
  }
}

}  // namespace

std::optional<Spec> parse_spec(std::string_view text, const std::string& file, const Registry& registry,
                               Diagnostics& diagnostics, const SpecFiles& files) {
  Diagnostics found;
  const auto json = parse_json(text, file, found);
  SpecDraft draft(text, registry, found);
  draft.spec.file = file;
  Variables variables;
  Json document;
  Sources texts = {{file, std::string(text)}};
  Documents documents;
  if (json) {
    const bool extends = json->find("extends") != nullptr;
    draft.read.set_sources(&texts);
    document = extends ? with_bases(*json, file, registry, files, draft.read, texts, documents) : *json;
    const auto* origins = extends ? &documents : nullptr;
    document = with_variables(document, origins, draft.read, variables);
    draft.read.set_variables(&variables);
    const Node root(document, origins);
    // What a broken base would have brought is not missed as well.
    if ((!extends || !found.has_errors()) && draft.read.object(root, spots::spec())) {
      draft.read.version(root, "switchyard", "the spec");
      read_texts(draft, root);
      read_base_lr(draft, root);
      if (const auto node = root.child("canonical")) read_canonical(draft, *node);
      if (const auto node = root.child("layers")) read_layers(draft, *node);
      if (const auto node = root.child("schedules")) read_schedules(draft, *node);
      draft.schedules_known = draft.schedules_known && !draft.read.meant(root, "schedules");
      if (const auto node = draft.read.require(root, "optimizers", "the spec")) read_optimizers(draft, *node);
      if (const auto node = draft.read.require(root, "rules", "the spec")) read_rules(draft, *node);
      read_fallback(draft, root);
      if (const auto node = root.child("overrides")) read_overrides(draft, *node);
      if (const auto node = root.child("gradients")) read_gradients(draft, *node);
      if (const auto node = root.child("sinks")) read_sinks(draft, *node);
      if (const auto node = root.child("policy")) read_policy(draft, *node);
      if (!found.has_errors()) {
        warn_unused(draft);
        variables.warn_unused(file, draft.spec.warnings);
      }
    }
  }
  draft.spec.warnings = under_policy(draft.spec.policy, draft.spec.warnings);
  found.append(draft.spec.warnings);
  const bool good = json && !found.has_errors();
  found.sort();
  diagnostics.append(found);
  if (!good) return std::nullopt;
  return std::move(draft.spec);
}

}  // namespace switchyard
