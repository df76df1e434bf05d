#include "rules/grammar.h"

#include <algorithm>

#include "rules/spec.h"

namespace switchyard {

namespace spots {

#define SWITCHYARD_SPOT(name, ...)       \
  const Spot& name() {                   \
    static const Spot spot{__VA_ARGS__}; \
    return spot;                         \
  }

SWITCHYARD_SPOT(spec, "the spec", "at the top level",
                {"switchyard", "$schema", "name", "description", "base_lr", "optimizers", "schedules", "rules",
                 "fallback", "overrides", "gradients", "sinks", "policy", "extends", "vars", "canonical", "layers"},
                {{"modular_norm", "SWY-1091",
                  "remove it; until then write such factors as `lr_scale` in the `set` of rules or overrides"},
                 {"monitors", "SWY-1092", "remove it; `sinks` records norms, rates and update sizes of every group"},
                 {"distributed", "SWY-1093",
                  "remove it; which rank holds what is said where the optimizer is made: RunOptions and NamedTensor"},
                 {"checkpoint", "SWY-1094", "remove it; the program says when and where: ComposedOptimizer::save"},
                 {"requires", "SWY-1095",
                  "remove it; commit a lock (`plan --write-lock`): the versions of plugins are in its state hash"}})
SWITCHYARD_SPOT(optimizer, "an optimizer", "under an entry of `optimizers`",
                {"plugin", "like", "lr", "lr_scale", "options", "schedules"}, {})
SWITCHYARD_SPOT(schedule, "a schedule", "under an entry of `schedules`",
                {"kind", "peak", "floor", "warmup", "total", "decay", "shape", "points"}, {})
SWITCHYARD_SPOT(rule, "a rule", "under an entry of `rules`",
                {"id", "match", "except", "use", "matrix", "set", "note", "optional", "disabled"}, {})
SWITCHYARD_SPOT(override_, "an override", "under an entry of `overrides`",
                {"id", "match", "except", "set", "note", "optional", "disabled"}, {})
SWITCHYARD_SPOT(match, "a match", "under `match`",
                {"name", "ndim", "shape", "numel", "dtype", "module", "tied", "tie_with", "layer", "where", "all",
                 "any", "not"},
                {{"tag", "SWY-1096", "match by `name`, `module`, `layer` or `where` instead"}})
SWITCHYARD_SPOT(settings, "`set`", "under `set`", {"lr_scale", "wd_scale"}, {})
SWITCHYARD_SPOT(view, "`matrix`", "under `matrix`", {"batch", "out", "in", "flatten", "transpose", "split", "heads"},
                {})
SWITCHYARD_SPOT(split, "`split`", "under `matrix.split`", {"axis", "parts", "interleave"}, {})
SWITCHYARD_SPOT(part, "a part", "under an entry of `parts`", {"name", "size"}, {})
SWITCHYARD_SPOT(heads, "`heads`", "under `matrix.heads`", {"axis", "count", "size"}, {})
SWITCHYARD_SPOT(flatten, "`flatten`", "under `matrix.flatten`", {"out", "in"}, {})
SWITCHYARD_SPOT(gradients, "`gradients`", "under `gradients`", {"clip", "accumulation", "on_nonfinite"}, {})
SWITCHYARD_SPOT(clip, "`clip`", "under `gradients.clip`", {"norm"}, {})
SWITCHYARD_SPOT(sink, "a sink", "under an entry of `sinks`", {"kind", "path", "every"}, {})
SWITCHYARD_SPOT(canonical, "`canonical`", "under `canonical`", {"strip"}, {})
SWITCHYARD_SPOT(layers, "`layers`", "under `layers`", {"index", "count", "before", "after"}, {})
SWITCHYARD_SPOT(manifest, "the manifest", "at the top level",
                {"switchyard_manifest", "$schema", "model", "source", "parameters"}, {})
SWITCHYARD_SPOT(parameter, "a parameter", "under an entry of `parameters`",
                {"names", "shape", "dtype", "requires_grad", "module", "storage"}, {})
SWITCHYARD_SPOT(storage, "`storage`", "under `storage`", {"id", "offset", "strides"}, {})
SWITCHYARD_SPOT(plugins, "the list of plugins", "at the top level", {"switchyard_plugins", "$schema", "plugins"}, {})
SWITCHYARD_SPOT(plugin, "a plugin", "under an entry of `plugins`",
                {"name", "doc", "version", "state_version", "options", "slots", "traits", "defaults", "loaded_from"},
                {})
SWITCHYARD_SPOT(plugin_option, "an option", "under an entry of `options`",
                {"name", "type", "default", "above", "at_least", "below", "at_most", "length", "choices", "schedulable",
                 "arithmetic", "role", "doc"},
                {})
SWITCHYARD_SPOT(plugin_choice, "a choice", "under an entry of `choices`", {"name", "doc"}, {})
SWITCHYARD_SPOT(plugin_slot, "a slot", "under an entry of `slots`",
                {"name", "shape", "dtype", "codec", "when", "by_shape", "identity", "initial"}, {})
SWITCHYARD_SPOT(plugin_traits, "`traits`", "under `traits`",
                {"unit", "chunk", "chunk_option", "needs_param", "needs_lr", "master", "predicated", "scale_free",
                 "upholds"},
                {})

#undef SWITCHYARD_SPOT

std::vector<const Spot*> of_spec() {
  return {&spec(), &optimizer(), &schedule(), &rule(),      &override_(), &match(), &settings(),  &view(),  &split(),
          &part(), &heads(),     &flatten(),  &gradients(), &clip(),      &sink(),  &canonical(), &layers()};
}

}  // namespace spots

const LaterFeature* Spot::later_key(std::string_view key) const {
  const auto found = std::find_if(later.begin(), later.end(), [&](const auto& feature) { return feature.name == key; });
  return found == later.end() ? nullptr : &*found;
}

const LaterFeature& later_expression() {
  static const LaterFeature feature = {"expr", "SWY-1097",
                                       "write a number, in one override a layer where it depends on the layer"};
  return feature;
}

const std::vector<LaterFeature>& later_sinks() {
  static const auto* instead = "write \"jsonl\": one JSON object a line, for any tool to read";
  static const std::vector<LaterFeature> sinks = {
      {"console", "SWY-1090", instead}, {"csv", "SWY-1090", instead}, {"tensorboard", "SWY-1090", instead}};
  return sinks;
}

}  // namespace switchyard
