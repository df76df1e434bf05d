#include <torch/nn/module.h>

#include "core/run/composed_optimizer.h"

namespace switchyard {

namespace {

/// "torch::nn::LinearImpl" -> "Linear", "my::BlockImpl" -> "Block".
std::string class_name(const torch::nn::Module& module) {
  auto name = module.name();
  if (const auto angle = name.find('<'); angle != std::string::npos) name.resize(angle);
  if (const auto colon = name.rfind("::"); colon != std::string::npos) name = name.substr(colon + 2);
  if (name.size() > 4 && name.compare(name.size() - 4, 4, "Impl") == 0) name.resize(name.size() - 4);
  return name;
}

void collect(const torch::nn::Module& module, const std::string& prefix, std::vector<NamedTensor>& out) {
  const auto owner = class_name(module);
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    NamedTensor named;
    named.name = prefix + item.key();
    named.tensor = item.value();
    named.module = owner;
    out.push_back(std::move(named));
  }
  for (const auto& child : module.named_children()) collect(*child.value(), prefix + child.key() + ".", out);
}

}  // namespace

std::vector<NamedTensor> named_tensors(const torch::nn::Module& module) {
  std::vector<NamedTensor> out;
  collect(module, "", out);
  return out;
}

ComposedOptimizer::ComposedOptimizer(Plan plan, const torch::nn::Module& module, const Registry& registry,
                                     RunOptions options)
    : ComposedOptimizer(std::move(plan), named_tensors(module), registry, std::move(options)) {}

void ComposedOptimizer::rebind(const torch::nn::Module& module) { rebind(named_tensors(module)); }

}  // namespace switchyard
