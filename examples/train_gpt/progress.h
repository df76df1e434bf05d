#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace train_gpt {

/// What a person sees while the program trains, on stderr: a bar that redraws itself on a terminal, a line every ten
/// seconds elsewhere (a log), nothing when quiet.
class Progress {
 public:
  /// `first` steps of `total` are already done.
  Progress(std::int64_t first, std::int64_t total, std::int64_t bytes_per_step, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// After step `step` (1 is the first), which took `seconds`.
  void step(std::int64_t step, double loss, double seconds);
  /// A line that stays, above the bar.
  void say(const std::string& text);
  /// Takes the bar away.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  std::string line(std::int64_t step) const;

  std::int64_t first_;
  std::int64_t total_;
  std::int64_t bytes_per_step_;
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  double loss_ = 0;  ///< exponential averages over about 20 steps
  double seconds_ = 0;
  Clock::time_point start_;
  Clock::time_point shown_;
};

/// "0:07", "12:34", "1:02:03".
std::string clock_text(double seconds);
/// "950", "15.3k", "2.1M".
std::string rate_text(double per_second);

}  // namespace train_gpt
