#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/plan.h"

namespace switchyard {

/// One block of one parameter, by position in the list given and in PlannedParameter::blocks.
struct BlockRef {
  std::size_t parameter = 0;
  std::size_t block = 0;
};

/// Blocks of equal shape that are stacked and worked on at once.
struct PlannedBatch {
  std::int64_t out = 0;
  std::int64_t in = 0;
  Dtype work = Dtype::float32;
  std::vector<BlockRef> entries;  ///< in order of key and block
  std::int64_t bytes = 0;         ///< of the stack, with copies of the parameters where the plugin needs them
  std::int64_t scratch = 0;       ///< bytes of the plugin's own temporaries (OptimizerDescriptor::scratch)
};

/// Parameters that one call of a plugin may see together: (plugin, options and schedules other than those of lr and
/// decay, dtype), whatever the rule boundaries; for matrix plugins cut into batches by block shape and workspace.
struct ExecutionGroup {
  const OptimizerDescriptor* descriptor = nullptr;
  Dtype dtype = Dtype::float32;
  SharedOptions settings;                                   ///< of its parameters; lr and decay differ among them
  std::vector<std::pair<std::string, Schedule>> schedules;  ///< of options; not of lr or decay
  std::vector<std::size_t> parameters;                      ///< in order of key
  std::vector<PlannedBatch> batches;                        ///< empty for element-wise plugins
  std::int64_t scratch = 0;                                 ///< bytes of temporaries of a plugin without stacks
};

/// Forms the groups; frozen parameters are in none. They depend on the plan alone, so all ranks form the same.
std::vector<ExecutionGroup> execution_groups(const std::vector<const PlannedParameter*>& parameters,
                                             const std::vector<PlannedGroup>& groups, const Registry& registry,
                                             std::int64_t workspace, const Machine& machine);

/// The default bound of a stack in bytes.
constexpr std::int64_t default_workspace = std::int64_t{256} << 20;

/// What a step holds at once besides state, on one rank.
struct Workspace {
  std::int64_t stack = 0;  ///< bytes of the largest stack, in memory that is kept; at most the bound, or one block
  std::int64_t peak = 0;   ///< these and the most that a plugin's temporaries take
};
Workspace peak_workspace(const std::vector<ExecutionGroup>& groups);

/// Bytes of one slot of a stack: packed rows, padded so that every slot starts on a 64-byte boundary.
std::int64_t padded_bytes(std::int64_t elements, std::int64_t element_size);

/// The schedules that drive a parameter: those of its group but for options that a rule or an override fixed for it.
std::vector<std::pair<std::string, Schedule>> schedules_of(const PlannedParameter& parameter,
                                                           const PlannedGroup& group);
/// The same for a parameter of `group` with these `own_settings`.
std::vector<std::pair<std::string, Schedule>> schedules_of(const std::vector<std::string>& own_settings,
                                                           const PlannedGroup& group);

}  // namespace switchyard
