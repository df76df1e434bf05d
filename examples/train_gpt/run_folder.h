#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace switchyard {
class ComposedOptimizer;
}

namespace train_gpt {

class Gpt;

/// The folder of a run:
///   run.json                               the values that make the run
///   metrics.jsonl                          what was measured, a line a record
///   checkpoint/index.json, state-*         the optimizer, as ComposedOptimizer::save leaves it
///   checkpoint/model-<step>.safetensors    the parameters of the same step
///   model.safetensors                      the parameters at the end
class RunFolder {
 public:
  /// Makes the folder for a new run. Throws OptimizerError if a run is there already.
  static RunFolder create(const std::string& path, const std::map<std::string, std::string>& values);
  /// A folder that holds a run.
  static RunFolder open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string metrics() const { return path_ + "/metrics.jsonl"; }
  std::string checkpoint() const { return path_ + "/checkpoint"; }
  std::string model() const { return path_ + "/model.safetensors"; }

  /// The model goes first, under a name of its own: the optimizer's index, which is renamed into place last, then
  /// speaks of a step whose model is there, wherever a crash falls. Models of other steps are removed after that.
  void save(const Gpt& model, switchyard::ComposedOptimizer& optimizer, std::int64_t step) const;
  /// Takes over both and returns the step. Throws CheckpointError.
  std::int64_t load(const Gpt& model, switchyard::ComposedOptimizer& optimizer) const;
  void save_model(const Gpt& model, std::int64_t step) const;
  /// Drops what was measured after `step`: the resumed run measures it again.
  void cut_metrics(std::int64_t step) const;

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// run.json of a folder. Throws OptimizerError.
std::map<std::string, std::string> read_run_values(const std::string& path);

/// The first of <parent>/<name>-1, <parent>/<name>-2, ... that does not exist.
std::string free_folder(const std::string& parent, const std::string& name);

}  // namespace train_gpt
