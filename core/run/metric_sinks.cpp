#include "core/run/metric_sinks.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace switchyard {

namespace {

bool is_power_of_ten(std::int64_t n) {
  while (n % 10 == 0) n /= 10;
  return n == 1;
}

}  // namespace

void MetricSinks::add(std::shared_ptr<MetricSink> sink, std::int64_t every, std::string name) {
  sinks_.push_back({std::move(sink), every, std::move(name)});
}

bool MetricSinks::due(std::int64_t call) const {
  return std::any_of(sinks_.begin(), sinks_.end(), [&](const Open& open) { return call % open.every == 0; });
}

/// What went wrong, "" if nothing did.
std::string MetricSinks::failure_of(Open& open, const std::vector<MetricRecord>& records) {
  try {
    for (const auto& record : records) open.sink->write(record);
    open.sink->flush();
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "it threw an exception that is not a std::exception";
  }
  return "";
}

void MetricSinks::write(std::int64_t call, const std::vector<MetricRecord>& records, const Warn& warn) {
  for (auto& open : sinks_) {
    if (call % open.every != 0) continue;
    const auto what = failure_of(open, records);
    if (what.empty()) {
      if (open.failures > 0)
        warn(fmt::format("metrics go to {} again, after {} failures in a row", open.name, open.failures));
      open.failures = 0;
      continue;
    }
    ++open.failures;
    if (open.failures == 1) {
      warn(
          fmt::format("metrics of call {} could not be written to {}: {}; training goes on, and the next record is "
                      "tried again",
                      call, open.name, what));
    } else if (is_power_of_ten(open.failures)) {
      warn(fmt::format("metrics could not be written to {} for the {}th time in a row: {}", open.name, open.failures,
                       what));
    }
  }
}

}  // namespace switchyard
