#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/registry.h"

/// What a plugin implements. The phase boundaries are the only places where bytes move between ranks, so a plugin never
/// sees a collective; and blocks are all that it sees of a model, so it never sees a view, a shard or a tie.
namespace switchyard {

/// One logical matrix (or, for element-wise plugins, one whole parameter), as names and numbers.
struct BlockInfo {
  std::string parameter;  ///< display name
  std::string block;      ///< "" for an uncut parameter
  std::int64_t out = 0;   ///< rows of the whole block; for element-wise plugins the elements of the parameter
  std::int64_t in = 0;    ///< columns of the whole block; 1 for element-wise plugins
  double scale = 1;       ///< the shape scale, a factor of the update
};

/// What is common to a call: the group's options as of t, and what every gradient element is multiplied by first.
class Step {
 public:
  Step(std::int64_t t_, double grad_scale_, const void* options) : t(t_), grad_scale(grad_scale_), options_(options) {}

  std::int64_t t;     ///< steps applied before this one
  double grad_scale;  ///< min(1, clip / norm) / (n loss_scale); round it to the work dtype, then multiply each gradient
                      ///< element
  const Machine* machine = nullptr;  ///< resolves options called `auto`; never null in a step of the engine

  /// The plugin's own options struct. A plugin object holds no mutable options.
  template <class T>
  const T& options() const {
    return *static_cast<const T*>(options_);
  }

 private:
  const void* options_;
};

/// What this rank holds of one block in a local phase. param, grad, work and like_param (or code_u8) state are views of
/// equal shape: do element-wise work on them only, free of position and layout. For Unit::run they are 1-D and start at
/// a run's first element. A master, where the trait asks for one, stands in for the parameter.
struct Piece {
  const BlockInfo* block = nullptr;
  at::Tensor param;               ///< the stored dtype, or fp32 with the trait `master`
  at::Tensor grad;                ///< any floating dtype; read only
  at::Tensor work;                ///< fp32 (fp64 for fp64 parameters); undefined for plugins without complete units
  std::vector<at::Tensor> state;  ///< one an active slot in the order of the descriptor; owner slots are undefined here
  double lr = 0;                  ///< lr(p, t)
  double decay = 0;               ///< lr(p, t) wd, or schedule(t) wd: p <- p (1 - decay)
  std::int64_t count = 0;         ///< applied updates of the parameter, this one included
  std::int64_t offset =
      0;  ///< flat index of the first element, in the parameter or (row-major) in the block; for messages
};
using Pieces = std::span<Piece>;

/// Complete units of equal shape, on the rank that owns them. Every slot starts on a 64-byte boundary with packed rows.
struct Stack {
  at::Tensor work;   ///< [B, out, in], fp32 (fp64 for fp64 parameters): read what begin made, write what finish needs
  at::Tensor param;  ///< [B, out, in], a copy in work's dtype; only with the trait needs_param
  std::vector<at::Tensor> state;             ///< one an active slot, [B, ...] for owner slots; others undefined
  std::span<const BlockInfo* const> blocks;  ///< [B]
  std::span<const double> lr;                ///< [B]; only with the trait needs_lr
  std::span<const double> decay;             ///< [B]; only with the trait needs_lr
  std::span<const std::int64_t> count;       ///< [B]

  std::int64_t size() const { return static_cast<std::int64_t>(blocks.size()); }
};

/// A plugin. One object serves all groups of an engine; it must hold no state that a step changes.
class Optimizer {
 public:
  Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer() = default;

  /// Local: gradients and state -> work. Never called for element-wise plugins that need only finish.
  virtual void begin(Pieces, const Step&) {}
  /// Complete units: rewrite work. Called for plugins whose unit is a row, a column or a matrix.
  virtual void transform(Stack&, const Step&) {}
  /// Local: work -> parameters.
  virtual void finish(Pieces, const Step&) = 0;
};

/// Fills a descriptor's table and factory from the plugin's types.
///   registry.add(describe_optimizer<Muon, MuonOptions>({.name = "muon", .doc = "...", .slots = {...}, .traits =
///   {...}}));
template <class Plugin, class Options>
OptimizerDescriptor describe_optimizer(OptimizerDescriptor descriptor) {
  descriptor.table = option_table<Options>();
  descriptor.make = []() -> std::unique_ptr<Optimizer> { return std::make_unique<Plugin>(); };
  return descriptor;
}

/// The typed options behind resolved values, for functions of a descriptor (flops, check).
template <class Options>
Options read_options(const OptionValues& values) {
  return *static_cast<const Options*>(option_table<Options>().make(values).get());
}

}  // namespace switchyard
