#pragma once

#include "core/plugin/optimizer.h"

/// Complete phases after finish, around any plugin: the executor brings whole blocks of a parameter to their owner,
/// whatever plugin trains it and however its rows are sharded.
namespace switchyard {

/// Keeps a property of blocks. One object serves all stacks; it holds no state that a step changes.
class Constraint {
 public:
  Constraint() = default;
  Constraint(const Constraint&) = delete;
  Constraint& operator=(const Constraint&) = delete;
  virtual ~Constraint() = default;

  /// stack.work [B, out, in] holds the parameter's blocks in fp32 (fp64 for fp64 parameters): rewrite them. They are
  /// then stored, rounded once, and become the master where there is one.
  virtual void apply(Stack& stack, const Step& step) = 0;
};

/// Looks at blocks and changes nothing.
class Monitor {
 public:
  Monitor() = default;
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  virtual ~Monitor() = default;

  /// stack.work [B, out, in] holds the parameter's blocks after the step, on the rank that owns them; what is written
  /// there is lost.
  virtual void look(Stack& stack, const Step& step) = 0;
};

}  // namespace switchyard
