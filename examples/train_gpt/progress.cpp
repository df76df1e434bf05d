#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace train_gpt {

namespace {

double seconds_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

}  // namespace

Progress::Progress(std::int64_t first, std::int64_t total, std::int64_t bytes_per_step, bool quiet)
    : first_(first),
      total_(total),
      bytes_per_step_(bytes_per_step),
      quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      shown_(start_) {}

Progress::~Progress() { finish(); }

void Progress::step(std::int64_t step, double loss, double seconds) {
  const double keep = step == first_ + 1 ? 0 : 0.95;
  loss_ = keep * loss_ + (1 - keep) * loss;
  seconds_ = keep * seconds_ + (1 - keep) * seconds;
  if (quiet_) return;
  const auto now = Clock::now();
  const bool ends = step == first_ + 1 || step == total_;
  if (!ends && seconds_between(shown_, now) < (terminal_ ? 0.1 : 10)) return;
  shown_ = now;
  if (terminal_) {
    fmt::print(stderr, "\r{}\x1b[K", line(step));
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}\n", line(step));
  }
  std::fflush(stderr);
}

std::string Progress::line(std::int64_t step) const {
  // Rate of the steps alone; the time that is left counts validation and checkpoints as well.
  const double elapsed = seconds_between(start_, Clock::now());
  const double left = elapsed / static_cast<double>(step - first_) * static_cast<double>(total_ - step);
  const auto numbers = fmt::format("loss {:.3f}  {} tokens/s  ETA {}", loss_,
                                   rate_text(static_cast<double>(bytes_per_step_) / seconds_), clock_text(left));
  if (!terminal_) return fmt::format("step {}/{}  {}", step, total_, numbers);
  constexpr std::int64_t cells = 20;
  const auto full = static_cast<std::size_t>(cells * step / std::max<std::int64_t>(total_, 1));
  const auto bar = std::string(full, '=') + (full < cells ? ">" : "") +
                   std::string(cells - std::min<std::size_t>(full + 1, cells), ' ');
  return fmt::format("[{}] {}/{}  {}", bar, step, total_, numbers);
}

void Progress::say(const std::string& text) {
  if (quiet_) return;
  finish();
  fmt::print(stderr, "{}\n", text);
}

void Progress::finish() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::llround(std::max(seconds, 0.0)));
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string rate_text(double per_second) {
  if (per_second >= 1e6) return fmt::format("{:.1f}M", per_second / 1e6);
  if (per_second >= 1e3) return fmt::format("{:.1f}k", per_second / 1e3);
  return fmt::format("{:.0f}", per_second);
}

}  // namespace train_gpt
