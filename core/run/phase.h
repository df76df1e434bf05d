#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>

#include "core/error.h"
#include "core/registry.h"

namespace switchyard {

/// A plugin (or memory) failed after the point of no return; names plugin, phase and parameter.
class PluginFailure : public OptimizerError {
 public:
  using OptimizerError::OptimizerError;
};

/// Calls `body` and turns whatever it throws into a PluginFailure that says where.
template <class Body>
void guarded(const std::string& plugin, const char* phase, const std::string& parameter, Body&& body) {
  const auto fail = [&](const char* what) {
    throw PluginFailure(fmt::format("plugin `{}` failed in {} at parameter `{}`: {}", plugin, phase, parameter, what));
  };
  try {
    body();
  } catch (const CommunicatorError&) {
    throw;
  } catch (const std::exception& error) {
    fail(error.what());
  } catch (...) {
    fail("an exception that is not a std::exception");
  }
}

}  // namespace switchyard
