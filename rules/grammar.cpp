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
                {"requires", "modular_norm", "monitors", "distributed", "checkpoint"})
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
                {"tag"})
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
SWITCHYARD_SPOT(manifest, "the manifest", "at the top level", {"switchyard_manifest", "model", "source", "parameters"},
                {})
SWITCHYARD_SPOT(parameter, "a parameter", "under an entry of `parameters`",
                {"names", "shape", "dtype", "requires_grad", "module", "storage"}, {})
SWITCHYARD_SPOT(storage, "`storage`", "under `storage`", {"id", "offset", "strides"}, {})

#undef SWITCHYARD_SPOT

std::vector<const Spot*> of_spec() {
  return {&spec(), &optimizer(), &schedule(), &rule(),      &override_(), &match(), &settings(),  &view(),  &split(),
          &part(), &heads(),     &flatten(),  &gradients(), &clip(),      &sink(),  &canonical(), &layers()};
}

}  // namespace spots

std::string belongs_elsewhere(std::string_view key, const Spot& here) {
  const auto all = spots::of_spec();
  if (std::find(all.begin(), all.end(), &here) == all.end()) return "";
  for (const auto* spot : all) {
    if (spot != &here && std::find(spot->keys.begin(), spot->keys.end(), key) != spot->keys.end())
      return "it belongs " + spot->where;
  }
  return "";
}

const std::vector<std::pair<std::string, std::string>>& unsupported_keys() {
  static const auto list = [] {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto* spot : spots::of_spec()) {
      for (const auto& key : spot->unsupported) out.emplace_back(key, spot == &spots::spec() ? "spec" : "match");
    }
    return out;
  }();
  return list;
}

}  // namespace switchyard
