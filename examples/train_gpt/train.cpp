#include "train.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <limits>
#include <numeric>

#include "progress.h"

namespace train_gpt {

double validate(const Gpt& model, const Corpus& corpus) {
  const c10::NoGradGuard no_grad;
  const auto windows = corpus.validation_windows();
  constexpr std::int64_t most = 16;  // windows at once
  double sum = 0;
  for (std::int64_t first = 0; first < windows; first += most) {
    const auto count = std::min(most, windows - first);
    const auto batch = corpus.validation_batch(first, count);
    const auto loss = model.loss(batch.inputs.to(model.device()), batch.targets.to(model.device()));
    sum += loss.item<double>() * static_cast<double>(count);
  }
  return sum / static_cast<double>(windows);
}

Result train(Gpt& model, const Corpus& corpus, switchyard::ComposedOptimizer& optimizer,
             switchyard::MetricSink& metrics, const RunFolder& folder, const Options& options, std::int64_t first) {
  using Clock = std::chrono::steady_clock;
  Result result;
  result.first = first;
  result.step = first;
  result.validation_loss = std::numeric_limits<double>::quiet_NaN();
  const auto due = [&](std::int64_t step, std::int64_t every) {
    return step == options.steps || (every > 0 && step % every == 0);
  };
  const auto tokens = options.batch * options.shape.context;
  Progress progress(first, options.steps, tokens, options.quiet);
  std::deque<double> recent;
  const auto check = [&](std::int64_t step) {
    result.validation_loss = validate(model, corpus);
    metrics.write({step, "validation", {{"loss", result.validation_loss}}, {}});
    metrics.flush();
    progress.say(fmt::format("step {}: validation loss {:.4f}", step, result.validation_loss));
  };

  for (std::int64_t step = first + 1; step <= options.steps; ++step) {
    const auto start = Clock::now();
    const auto batch = corpus.training_batch(options.batch, options.seed, step);
    const auto inputs = batch.inputs.to(model.device());
    const auto targets = batch.targets.to(model.device());
    optimizer.zero_grad();
    const auto loss = model.loss(inputs, targets);
    loss.backward();
    optimizer.step();
    const auto value = loss.item<double>();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    result.seconds += seconds;
    result.step = step;
    recent.push_back(value);
    if (recent.size() > 20) recent.pop_front();
    metrics.write({step, "train", {{"loss", value}}, {}});
    progress.step(step, value, seconds);
    if (due(step, options.validate_every)) check(step);
    if (due(step, options.checkpoint_every)) folder.save(model, optimizer, step);
  }
  progress.finish();

  if (result.step == first) check(first);  // nothing was left to do
  result.train_loss = std::accumulate(recent.begin(), recent.end(), 0.0) / static_cast<double>(recent.size());
  result.tokens_per_second = static_cast<double>((result.step - first) * tokens) / result.seconds;
  return result;
}

}  // namespace train_gpt
