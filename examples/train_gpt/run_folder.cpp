#include "run_folder.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "core/json.h"
#include "core/run/composed_optimizer.h"
#include "core/run/tensor_file.h"
#include "data.h"
#include "gpt.h"

namespace train_gpt {

namespace fs = std::filesystem;
using switchyard::CheckpointError;
using switchyard::Json;
using switchyard::OptimizerError;

namespace {

/// Every parameter once: a tied one under the first of its names.
std::vector<std::pair<std::string, at::Tensor>> parameters(const Gpt& model) {
  std::vector<std::pair<std::string, at::Tensor>> out;
  std::set<const void*> seen;
  for (const auto& named : switchyard::named_tensors(model.module())) {
    if (seen.insert(named.tensor.unsafeGetTensorImpl()).second) out.emplace_back(named.name, named.tensor.detach());
  }
  return out;
}

void write_model(const std::string& path, const Gpt& model, std::int64_t step) {
  const auto& shape = model.shape();
  switchyard::save_tensors(path, parameters(model),
                           {{"step", std::to_string(step)},
                            {"layers", std::to_string(shape.layers)},
                            {"width", std::to_string(shape.width)},
                            {"heads", std::to_string(shape.heads)},
                            {"context", std::to_string(shape.context)}});
}

std::string model_name(std::int64_t step) { return fmt::format("model-{}.safetensors", step); }

void write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) throw OptimizerError("cannot write " + path);
}

}  // namespace

RunFolder RunFolder::create(const std::string& path, const std::map<std::string, std::string>& values) {
  std::error_code problem;
  fs::create_directories(path, problem);
  if (problem) throw OptimizerError(fmt::format("cannot make the folder {}: {}", path, problem.message()));
  const auto file = path + "/run.json";
  if (fs::exists(file)) {
    throw OptimizerError(
        fmt::format("{} already holds a run: go on with --resume {}, or give another --out", path, path));
  }
  auto json = Json::object();
  for (const auto& [name, value] : values) json.set(name, value);
  write_text(file, switchyard::dump_json(json, 1) + "\n");
  return RunFolder(path);
}

RunFolder RunFolder::open(const std::string& path) { return RunFolder(path); }

void RunFolder::save(const Gpt& model, switchyard::ComposedOptimizer& optimizer, std::int64_t step) const {
  fs::create_directories(checkpoint());
  write_model(checkpoint() + "/" + model_name(step), model, step);
  optimizer.save(checkpoint());
  for (const auto& entry : fs::directory_iterator(checkpoint())) {
    const auto name = entry.path().filename().string();
    if (name.rfind("model-", 0) == 0 && name != model_name(step)) fs::remove(entry.path());
  }
}

std::int64_t RunFolder::load(const Gpt& model, switchyard::ComposedOptimizer& optimizer) const {
  optimizer.load(checkpoint());
  const auto step = optimizer.applied_steps() + optimizer.skipped_steps();
  const auto path = checkpoint() + "/" + model_name(step);
  const switchyard::TensorFile file(path);
  const c10::NoGradGuard no_grad;
  for (const auto& [name, tensor] : parameters(model)) {
    const auto saved = file.tensor(name);
    if (saved.sizes() != tensor.sizes() || saved.scalar_type() != tensor.scalar_type()) {
      throw CheckpointError(fmt::format("{}: `{}` has another shape or type than in this model", path, name));
    }
    tensor.copy_(saved);
  }
  return step;
}

void RunFolder::save_model(const Gpt& trained, std::int64_t step) const { write_model(model(), trained, step); }

void RunFolder::cut_metrics(std::int64_t step) const {
  if (!fs::exists(metrics())) return;
  std::istringstream lines(read_file(metrics()));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    switchyard::Diagnostics diagnostics;
    const auto json = switchyard::parse_json(line, metrics(), diagnostics);
    if (!json) continue;  // the last line of a run that was killed
    const auto* at = json->find("step");
    if (at == nullptr || (at->is(Json::Kind::integer) && at->as_int() <= step)) kept += line + "\n";
  }
  write_text(metrics(), kept);
}

std::map<std::string, std::string> read_run_values(const std::string& path) {
  const auto file = path + "/run.json";
  if (!fs::exists(file)) throw OptimizerError(path + " holds no run: there is no run.json");
  const auto text = read_file(file);
  switchyard::Diagnostics diagnostics;
  const auto json = switchyard::parse_json(text, file, diagnostics);
  if (!json || diagnostics.has_errors()) throw switchyard::SpecError(std::move(diagnostics), {{file, text}});
  std::map<std::string, std::string> values;
  for (const auto& member : json->members()) {
    if (!member.value.is(Json::Kind::string))
      throw OptimizerError(fmt::format("{}: `{}` must be a string", file, member.key));
    values[member.key] = member.value.as_string();
  }
  return values;
}

std::string free_folder(const std::string& parent, const std::string& name) {
  for (int i = 1;; ++i) {
    auto path = fmt::format("{}/{}-{}", parent, name, i);
    if (!fs::exists(path)) return path;
  }
}

}  // namespace train_gpt
