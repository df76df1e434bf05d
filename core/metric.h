#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace switchyard {

/// What is measured of one step: of the whole optimizer (group "") or of one group. Values keep the order given.
/// Names: lr, grad_norm, update_rms, param_rms, update_to_weight, applied, skipped_steps, params_without_grad.
struct MetricRecord {
  std::int64_t step = 0;  ///< calls of step so far, this one included; skipped steps count
  std::string group;
  std::vector<std::pair<std::string, double>> values;
  std::vector<std::pair<std::string, std::string>> texts;
};

/// Where metrics go. Called on rank 0, after each measured step.
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  virtual void write(const MetricRecord& record) = 0;
  virtual void flush() {}
};

/// One JSON object a line: {"step": 3, "group": "hidden", "lr": 0.02, ...}; the first line is {"switchyard_metrics":
/// 1}. Appends to an existing file. NaN and infinities are written as strings. Throws OptimizerError if the file cannot
/// be opened or written.
std::unique_ptr<MetricSink> open_jsonl_sink(const std::string& path);

}  // namespace switchyard
