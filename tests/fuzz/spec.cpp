// The whole spec reader, then planning on two small models, and everything that is printed about the plan.
#include "rules/spec.h"

#include <fstream>
#include <sstream>

#include "core/json.h"
#include "rules/codes.h"
#include "rules/explain_text.h"
#include "rules/plan_text.h"
#include "rules/planner.h"
#include "rules/plugins_json.h"
#include "rules/trace.h"
#include "tests/fuzz/fuzz.h"

namespace switchyard::fuzz {

namespace {

Registry load_registry() {
  std::ifstream file(SWITCHYARD_SOURCE_DIR "/schemas/plugins.json");
  std::ostringstream text;
  text << file.rdbuf();
  return registry_from_json(text.str());
}

ParameterTable small_model() {
  std::vector<ParameterInfo> entries;
  const auto add = [&](std::vector<std::string> names, std::vector<std::int64_t> shape, const char* module) {
    ParameterInfo info;
    info.names = std::move(names);
    info.shape = std::move(shape);
    info.module = module;
    entries.push_back(std::move(info));
  };
  add({"embed.weight", "head.weight"}, {32, 8}, "Embedding");
  add({"conv.weight"}, {8, 3, 3, 3}, "Conv2d");
  for (const std::string layer : {"layers.0.", "layers.1.", "layers.10."}) {
    add({layer + "attn.qkv.weight"}, {24, 8}, "Linear");
    add({layer + "attn.qkv.bias"}, {24}, "Linear");
    add({layer + "mlp.up.weight"}, {8, 16}, "Conv1D");
    add({layer + "experts.weight"}, {4, 8, 16}, "Experts");
    add({layer + "norm.weight"}, {8}, "LayerNorm");
  }
  add({"scale"}, {}, "");
  add({"empty.weight"}, {0, 4}, "Linear");
  entries.back().requires_grad = false;
  add({"steps"}, {1}, "");
  entries.back().dtype = Dtype::other;
  entries.back().dtype_name = "int64";
  entries.back().requires_grad = false;
  Diagnostics diagnostics;
  auto table = ParameterTable::build(std::move(entries), diagnostics);
  require(!diagnostics.has_errors(), "the model is good");
  return table;
}

void check_plan(const Spec& spec, const ParameterTable& table, const Registry& registry, const Sources& sources) {
  Diagnostics diagnostics;
  const auto plan = make_plan(spec, table, registry, diagnostics);
  require_good(diagnostics, sources.begin()->second, sources.begin()->first);
  require(plan.has_value() != diagnostics.has_errors(), "a plan or a finding");
  for (const auto* name : {"layers.10.attn.qkv.weight", "head.weight", "conv.weight"}) {
    const auto trace = trace_parameter(spec, table, registry, name);
    if (!trace) continue;
    const auto* planned = plan ? plan->find(name) : nullptr;
    const auto* group = planned != nullptr ? plan->find_group(planned->optimizer) : nullptr;
    require(planned == nullptr || trace->winner == planned->rule, "the trace agrees with the plan");
    require(!explain_text(*trace, planned, group, spec, registry, sources).empty(), "a trace is printed");
    dump_json(explain_json(*trace, planned, group, spec, diagnostics, sources), 2);
  }
  if (!plan) return;
  require(plan->parameters.size() == table.size(), "a plan has every parameter");
  require(!plan_text(*plan, registry, table, {}).empty(), "a plan is printed");
  const auto text = dump_json(to_json(*plan, sources), 2);
  Diagnostics none;
  require(parse_json(text, "plan.json", none).has_value() && none.empty(), "a plan's document is JSON");
}

}  // namespace

void fuzz_spec(std::string_view input) {
  static const Registry registry = load_registry();
  static const ParameterTable model = small_model();
  static const ParameterTable empty;
  Diagnostics diagnostics;
  const auto spec = parse_spec(input, "spec.json", registry, diagnostics);
  require_good(diagnostics, input, "spec.json");
  for (const auto& item : diagnostics.items()) require(!meaning_of(item.code).empty(), item.code + " is listed");
  require(spec.has_value() != diagnostics.has_errors(), "a spec or a finding");
  if (!spec) return;
  const Sources sources = {{"spec.json", std::string(input)}};
  check_plan(*spec, model, registry, sources);
  check_plan(*spec, empty, registry, sources);
}

}  // namespace switchyard::fuzz
