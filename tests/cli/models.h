#pragma once

// Models and specs that the tests of the command share.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cli_test {

inline nlohmann::json parameter(const std::vector<std::string>& names, const std::vector<std::int64_t>& shape,
                                const std::string& module) {
  return {{"names", names}, {"shape", shape}, {"dtype", "float32"}, {"requires_grad", true}, {"module", module}};
}

inline std::string manifest_of(const std::string& model, const nlohmann::json& parameters) {
  const nlohmann::json document = {
      {"switchyard_manifest", 1}, {"model", model}, {"source", "test"}, {"parameters", parameters}};
  return document.dump(1);
}

/// GPT-2 124M as Hugging Face stores it: Conv1D [in, out], the head tied to the embedding.
inline nlohmann::json gpt2() {
  auto list = nlohmann::json::array();
  list.push_back(parameter({"transformer.wte.weight", "lm_head.weight"}, {50257, 768}, "Embedding"));
  list.push_back(parameter({"transformer.wpe.weight"}, {1024, 768}, "Embedding"));
  for (int layer = 0; layer < 12; ++layer) {
    const auto prefix = "transformer.h." + std::to_string(layer) + ".";
    const auto norm = [&](const std::string& name) {
      list.push_back(parameter({prefix + name + ".weight"}, {768}, "LayerNorm"));
      list.push_back(parameter({prefix + name + ".bias"}, {768}, "LayerNorm"));
    };
    const auto conv = [&](const std::string& name, std::int64_t in, std::int64_t out) {
      list.push_back(parameter({prefix + name + ".weight"}, {in, out}, "Conv1D"));
      list.push_back(parameter({prefix + name + ".bias"}, {out}, "Conv1D"));
    };
    norm("ln_1");
    conv("attn.c_attn", 768, 2304);
    conv("attn.c_proj", 768, 768);
    norm("ln_2");
    conv("mlp.c_fc", 768, 3072);
    conv("mlp.c_proj", 3072, 768);
  }
  list.push_back(parameter({"transformer.ln_f.weight"}, {768}, "LayerNorm"));
  list.push_back(parameter({"transformer.ln_f.bias"}, {768}, "LayerNorm"));
  return list;
}

inline const char* gpt2_spec = R"({
  "switchyard": 1,
  "name": "gpt2-124m-muon",
  "schedules": {
    "main": { "kind": "wsd", "warmup": 256, "decay": "20%", "shape": "sqrt", "floor": 0.0, "total": 20000 },
    "mom": { "kind": "piecewise", "points": [[0, 0.85], [300, 0.95]] }
  },
  "optimizers": {
    "hidden": { "plugin": "muon", "lr": 0.02, "options": { "weight_decay": 0.01 }, "schedules": { "lr": "main", "momentum": "mom" } },
    "table": { "plugin": "adamw", "lr": 0.0006, "options": { "betas": [0.9, 0.95], "weight_decay": 0.0 }, "schedules": { "lr": "main" } },
    "vector": { "plugin": "adamw", "lr": 0.0003, "options": { "betas": [0.9, 0.95] }, "schedules": { "lr": "main" } }
  },
  "rules": [
    { "id": "tied-embedding", "match": { "name": ["transformer.wte.weight", "lm_head.weight"], "tied": true }, "use": "table" },
    { "id": "positions", "match": { "name": "transformer.wpe.weight" }, "use": "table" },
    { "id": "fused-qkv", "match": { "name": "transformer.h.*.attn.c_attn.weight" }, "use": "hidden",
      "matrix": { "split": { "axis": 1, "parts": [ { "name": "q", "size": 768 }, { "name": "k", "size": 768 }, { "name": "v", "size": 768 } ] } } },
    { "id": "hidden-matrices", "match": { "name": "transformer.h.**", "ndim": 2 }, "use": "hidden" },
    { "id": "vectors", "match": { "ndim": "<=1" }, "use": "vector" }
  ],
  "fallback": "error",
  "overrides": [
    { "id": "residual-out", "match": { "name": "transformer.h.*.{attn,mlp}.c_proj.weight" }, "set": { "lr_scale": 0.7 } },
    { "id": "last-layer", "match": { "name": "transformer.h.11.**.weight", "ndim": 2 }, "set": { "wd_scale": 0.5 } }
  ],
  "gradients": { "clip": { "norm": 1.0 } },
  "sinks": [ { "kind": "jsonl", "path": "metrics.jsonl" } ]
}
)";

/// A spec that fits any model whose tensors AdamW can train.
inline const char* adamw_spec = R"({
  "switchyard": 1,
  "optimizers": { "all": { "plugin": "adamw", "lr": 0.001 } },
  "rules": [ { "id": "everything", "match": { "name": "**" }, "use": "all" } ],
  "fallback": "error"
}
)";

}  // namespace cli_test
