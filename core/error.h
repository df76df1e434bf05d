#pragma once

#include <stdexcept>
#include <string>

namespace switchyard {

/// Base of every exception that Switchyard throws on purpose. The message says what was expected, what was given and
/// where.
class OptimizerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A tensor that cannot be trained as asked: wrong dtype, layout, shape, storage or device, duplicate or missing name.
/// The message names the parameter.
class InvalidParameterError : public OptimizerError {
 public:
  using OptimizerError::OptimizerError;
};

/// A gradient with a sparse layout; no plugin of this version accepts one. The message names the parameter.
class SparseGradientError : public OptimizerError {
 public:
  using OptimizerError::OptimizerError;
};

/// A checkpoint that cannot be loaded, or one that could not be written. Nothing has been changed when it is thrown.
class CheckpointError : public OptimizerError {
 public:
  using OptimizerError::OptimizerError;
};

/// A communicator whose wait ended because a peer failed or did not arrive in time. `rank` is the rank that failed
/// first.
class CommunicatorError : public OptimizerError {
 public:
  CommunicatorError(const std::string& message, int rank) : OptimizerError(message), rank_(rank) {}
  int rank() const { return rank_; }

 private:
  int rank_;
};

}  // namespace switchyard
