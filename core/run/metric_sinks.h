#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/metric.h"

namespace switchyard {

/// The sinks of an optimizer. Records come after a step has been applied, so nothing that a sink throws may look like a
/// failure of the step (a caller that tries again would step twice): it becomes a warning, and the next record is tried
/// again.
class MetricSinks {
 public:
  using Warn = std::function<void(const std::string&)>;

  /// `name` is what warnings call it.
  void add(std::shared_ptr<MetricSink> sink, std::int64_t every, std::string name);
  std::size_t size() const { return sinks_.size(); }
  bool due(std::int64_t call) const;

  /// Writes and flushes to the sinks that are due. Warns of the first failure of a sink, of its 10th, 100th, 1000th ...
  /// in a row, and when it works again. Throws nothing of what sinks throw.
  void write(std::int64_t call, const std::vector<MetricRecord>& records, const Warn& warn);

 private:
  struct Open {
    std::shared_ptr<MetricSink> sink;
    std::int64_t every = 1;
    std::string name;
    std::int64_t failures = 0;  ///< in a row
  };
  static std::string failure_of(Open& open, const std::vector<MetricRecord>& records);

  std::vector<Open> sinks_;
};

}  // namespace switchyard
