#pragma once

#include <cstdint>
#include <memory>

#include "core/metric.h"
#include "core/run/composed_optimizer.h"
#include "data.h"
#include "gpt.h"
#include "options.h"
#include "run_folder.h"

namespace train_gpt {

struct Result {
  std::int64_t first = 0;      ///< steps that were done before
  std::int64_t step = 0;       ///< steps done in all
  double train_loss = 0;       ///< mean of the last 20 steps of this process; NaN without any
  double validation_loss = 0;  ///< mean over all validation windows
  double seconds = 0;          ///< of the training steps
  double tokens_per_second = 0;
};

/// Runs the steps from `first` to `options.steps`, with validations and checkpoints on the way and both at the end.
/// Records of group "train" (loss) and "validation" (loss) go to `metrics` besides what the optimizer itself writes
/// there.
Result train(Gpt& model, const Corpus& corpus, switchyard::ComposedOptimizer& optimizer,
             switchyard::MetricSink& metrics, const RunFolder& folder, const Options& options, std::int64_t first);

/// Mean cross entropy over all validation windows, in nats a byte.
double validate(const Gpt& model, const Corpus& corpus);

}  // namespace train_gpt
