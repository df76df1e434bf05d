#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace switchyard {

/// A value that records hold.
struct MetricInfo {
  enum class Kind : std::uint8_t { number, count, flag, text };
  enum class In : std::uint8_t { both, whole, group };  ///< records of the whole optimizer, of groups, or both

  const char* name;
  const char* doc;
  Kind kind = Kind::number;
  In in = In::both;
  bool always = true;  ///< false: only in records of steps where there is something to say
};

/// Every value, once for those who write records and for the schema of metrics.
namespace metrics {
using Kind = MetricInfo::Kind;
using In = MetricInfo::In;
inline constexpr MetricInfo applied{"applied", "1 if the step changed parameters, 0 if it was skipped.", Kind::flag,
                                    In::whole};
inline constexpr MetricInfo lr{"lr", "Learning rate of the group in this step, schedules included.", Kind::number,
                               In::group};
inline constexpr MetricInfo grad_norm{
    "grad_norm", "2-norm of the gradients, unscaled and averaged over accumulation, before the clip."};
inline constexpr MetricInfo update_rms{"update_rms", "Root mean square of the change of the group's parameters.",
                                       Kind::number, In::group, false};
inline constexpr MetricInfo param_rms{"param_rms", "Root mean square of the group's parameters after the step.",
                                      Kind::number, In::group, false};
inline constexpr MetricInfo update_to_weight{"update_to_weight", "update_rms / param_rms; 0 for parameters of zeros.",
                                             Kind::number, In::group, false};
inline constexpr MetricInfo skipped_steps{"skipped_steps", "Steps skipped so far.", Kind::count};
inline constexpr MetricInfo params_without_grad{
    "params_without_grad", "Trained parameters that had no gradient in this step and were left as they are.",
    Kind::count};
inline constexpr MetricInfo nonfinite{
    "nonfinite", "Names of parameters with non-finite gradients, with spaces between.", Kind::text, In::whole, false};

inline constexpr const MetricInfo* all[] = {&applied,    &lr,        &grad_norm,        &skipped_steps,
                                            &update_rms, &param_rms, &update_to_weight, &params_without_grad,
                                            &nonfinite};
}  // namespace metrics

/// What is measured of one step: of the whole optimizer (group "") or of one group. Values keep the order given.
struct MetricRecord {
  std::int64_t step = 0;  ///< calls of step so far, this one included; skipped steps count
  std::string group;
  std::vector<std::pair<std::string, double>> values;
  std::vector<std::pair<std::string, std::string>> texts;
};

/// Where metrics go. Called on rank 0, after each measured step. What it throws is reported and ends no step; the next
/// record is given to it as if nothing had been.
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  virtual void write(const MetricRecord& record) = 0;
  virtual void flush() {}
};

/// One JSON object a line: {"step": 3, "group": "hidden", "lr": 0.02, ...}; the first line is {"switchyard_metrics":
/// 1}. Appends to an existing file. NaN and infinities are written as strings. Throws OptimizerError if the file cannot
/// be opened. Lines are collected until flush; a flush that fails (a full disk) throws OptimizerError and keeps what is
/// not written, up to a million bytes, so that the next one goes on where it stopped, and no line is torn. What does
/// not fit any more is lost: write throws OptimizerError.
std::unique_ptr<MetricSink> open_jsonl_sink(const std::string& path);

}  // namespace switchyard
