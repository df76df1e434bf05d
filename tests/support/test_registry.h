#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/describe.h"
#include "core/registry.h"
#include "core/scale.h"

/// Plugins as data, for tests of planning: they look like the built-in ones but have no tensors behind them.
namespace switchyard::test {

struct MatrixOptions {
  double momentum = 0.95;
  bool nesterov = true;
  double weight_decay = 0;
  DecayMode decay = DecayMode::decoupled;
  ShapeScale scale = ShapeScale::spectral;
  std::int64_t ns_steps = 5;
};
constexpr auto describe(of<MatrixOptions>) {
  return options(option("momentum", &MatrixOptions::momentum, half_open(0, 1), "Decay of the average.").schedulable(),
                 option("nesterov", &MatrixOptions::nesterov, "Look ahead."),
                 option("weight_decay", &MatrixOptions::weight_decay, at_least(0), "Decay.")
                     .schedulable()
                     .role(OptionRole::weight_decay),
                 option("decay", &MatrixOptions::decay, "How decay enters.").role(OptionRole::decay_mode),
                 option("scale", &MatrixOptions::scale, "Factor of the update.").role(OptionRole::shape_scale),
                 option("ns_steps", &MatrixOptions::ns_steps, closed(1, 20), "Iterations."));
}

struct ElementOptions {
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;
};
constexpr auto describe(of<ElementOptions>) {
  return options(option("betas", &ElementOptions::betas, half_open(0, 1), "Decay of the averages."),
                 option("eps", &ElementOptions::eps, above(0), "Added to the root."),
                 option("weight_decay", &ElementOptions::weight_decay, at_least(0), "Decay.")
                     .schedulable()
                     .role(OptionRole::weight_decay),
                 option("amsgrad", &ElementOptions::amsgrad, "Keep the largest second moment."));
}

struct PlainOptions {
  double momentum = 0;
  bool nesterov = false;
};
constexpr auto describe(of<PlainOptions>) {
  return options(option("momentum", &PlainOptions::momentum, half_open(0, 1), "Decay of the average."),
                 option("nesterov", &PlainOptions::nesterov, "Look ahead; needs momentum."));
}

/// muon (matrices), adamw (elements) and sgd (elements, without weight decay, with a rule across options).
inline Registry registry() {
  Registry out;
  OptimizerDescriptor muon;
  muon.name = "muon";
  muon.table = option_table<MatrixOptions>();
  muon.slots = {{.name = "momentum"}};
  muon.traits.unit = Unit::matrix;
  out.add(muon);
  OptimizerDescriptor adamw;
  adamw.name = "adamw";
  adamw.table = option_table<ElementOptions>();
  adamw.slots = {{.name = "exp_avg"}, {.name = "exp_avg_sq"}, {.name = "max_exp_avg_sq", .when = "amsgrad"}};
  out.add(adamw);
  OptimizerDescriptor sgd;
  sgd.name = "sgd";
  sgd.table = option_table<PlainOptions>();
  sgd.slots = {{.name = "momentum", .when = "momentum"}};
  sgd.check = [](const OptionValues& values) -> std::string {
    const bool nesterov = truthy(*find_option(values, "nesterov"));
    return nesterov && !truthy(*find_option(values, "momentum")) ? "nesterov needs momentum above 0" : "";
  };
  out.add(sgd);
  return out;
}

inline ParameterInfo parameter(std::string name, std::vector<std::int64_t> shape, std::string module = "",
                               bool requires_grad = true) {
  ParameterInfo info;
  info.names = {std::move(name)};
  info.shape = std::move(shape);
  info.module = std::move(module);
  info.requires_grad = requires_grad;
  return info;
}

/// GPT-2 small as transformers names and stores it: Conv1D keeps [in, out]; the head is tied to the token embedding.
inline std::vector<ParameterInfo> gpt2(std::int64_t layers = 12, std::int64_t d = 768) {
  std::vector<ParameterInfo> out;
  out.push_back(parameter("transformer.wte.weight", {50257, d}, "Embedding"));
  out.back().names.push_back("lm_head.weight");
  out.push_back(parameter("transformer.wpe.weight", {1024, d}, "Embedding"));
  for (std::int64_t i = 0; i < layers; ++i) {
    const auto layer = "transformer.h." + std::to_string(i) + ".";
    for (const char* norm : {"ln_1", "ln_2"}) {
      out.push_back(parameter(layer + norm + ".weight", {d}, "LayerNorm"));
      out.push_back(parameter(layer + norm + ".bias", {d}, "LayerNorm"));
    }
    const auto conv = [&](const std::string& name, std::int64_t in, std::int64_t outs) {
      out.push_back(parameter(layer + name + ".weight", {in, outs}, "Conv1D"));
      out.push_back(parameter(layer + name + ".bias", {outs}, "Conv1D"));
    };
    conv("attn.c_attn", d, 3 * d);
    conv("attn.c_proj", d, d);
    conv("mlp.c_fc", d, 4 * d);
    conv("mlp.c_proj", 4 * d, d);
  }
  out.push_back(parameter("transformer.ln_f.weight", {d}, "LayerNorm"));
  out.push_back(parameter("transformer.ln_f.bias", {d}, "LayerNorm"));
  return out;
}

inline ParameterTable table(std::vector<ParameterInfo> entries) {
  Diagnostics diagnostics;
  auto out = ParameterTable::build(std::move(entries), diagnostics);
  if (diagnostics.has_errors()) throw std::logic_error(render(diagnostics, {}));
  return out;
}

}  // namespace switchyard::test
