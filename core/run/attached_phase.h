#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/plugin/constraint.h"
#include "core/run/block_stack.h"

namespace switchyard {

/// A constraint or a monitor (one of the two) and the parameters that it is about.
struct Attached {
  std::string name;
  std::shared_ptr<Constraint> constraint{};
  std::shared_ptr<Monitor> monitor{};
  std::vector<std::string> parameters{};  ///< any name of each; trained, with roles for their axes
};

/// A block that one rank is to work on, and what that costs.
struct OwnedBlock {
  double cost = 0;
  const ParameterState* parameter = nullptr;
  BlockState* block = nullptr;
};
/// Longest processing time first: the most expensive block to the least loaded rank. All ranks compute the same.
void assign_owners(std::vector<OwnedBlock> blocks, int ranks);

/// Runs one of them over blocks of its own: parameters into stacks, apply or look, and (of a constraint) back.
class AttachedPhase {
 public:
  /// Throws OptimizerError naming the parameter where one is unknown, frozen or without a view.
  AttachedPhase(Attached attached, std::vector<ParameterState>& parameters, int rank, int ranks);

  /// Cuts the stacks anew; lay_out() must follow.
  void form(std::int64_t workspace);
  std::int64_t arena_bytes() const;
  void lay_out(const Arena& arena);

  /// For the active parameters (collective with several ranks).
  void run(Communicator& communicator, const char* active, std::span<const Numbers> numbers, const Step& step);

 private:
  struct Entry {
    std::size_t parameter;
    BlockState* block;
  };
  Attached attached_;
  std::vector<ParameterState>& parameters_;
  int rank_;
  int ranks_;
  std::deque<BlockState> blocks_;
  std::vector<Entry> entries_;  ///< by work dtype and shape, in order of key and block
  std::vector<std::unique_ptr<BlockStack>> stacks_;
};

}  // namespace switchyard
