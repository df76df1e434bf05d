#pragma once

#include <fmt/format.h>

#include "core/error.h"

namespace switchyard {

/// Marks that a call of an optimizer runs. Another one from within it (from a closure, a sink, a warning) throws
/// OptimizerError before it does anything.
class CallGuard {
 public:
  /// `running` belongs to the optimizer and is null while nothing runs; `call` is the name of the method.
  CallGuard(const char*& running, const char* call) : running_(running) {
    if (running != nullptr) {
      throw OptimizerError(
          fmt::format("{}() was called while {}() of the same optimizer runs (from its closure, a sink or a warning)",
                      call, running));
    }
    running = call;
  }
  ~CallGuard() { running_ = nullptr; }
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;

 private:
  const char*& running_;
};

}  // namespace switchyard
