#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "core/registry.h"
#include "kernels/view.h"

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

/// What every gradient element is multiplied by first: min(1, clip / norm) / (n loss_scale). elementwise() does so in
/// the load of a gradient, so a formula never needs it. Opaque, so that it can live on a device: only an explicit
/// conversion, `static_cast<C>(step.grad_scale)`, gives a number.
class GradScale {
 public:
  constexpr explicit GradScale(double value) : value_(value) {}
  constexpr explicit operator double() const { return value_; }
  constexpr explicit operator float() const { return static_cast<float>(value_); }

 private:
  double value_;
};

/// How elementwise() computes a formula. Both give the same bits.
enum class Formulas : std::uint8_t {
  compiled,  ///< as the compiler made it
  replayed,  ///< recorded once as a list of operations, then interpreted: what a device would compile; for tests
};

/// What is common to a call: the group's options as of t.
class Step {
 public:
  /// `options` is the struct behind the plugin's table, of type `type`.
  Step(std::int64_t t_, GradScale grad_scale_, const void* options, const std::type_info& type,
       Formulas formulas_ = Formulas::compiled)
      : t(t_), grad_scale(grad_scale_), formulas(formulas_), options_(options), type_(&type) {}

  std::int64_t t;  ///< steps applied before this one
  GradScale grad_scale;
  Formulas formulas;
  const Machine* machine = nullptr;  ///< resolves options called `auto`; never null in a step of the engine

  /// The plugin's own options struct. A plugin object holds no mutable options. Throws OptimizerError if T is not the
  /// struct of the plugin's table.
  template <class T>
  const T& options() const {
    if (typeid(T) != *type_) wrong_options(typeid(T), *type_);
    return *static_cast<const T*>(options_);
  }

 private:
  [[noreturn]] static void wrong_options(const std::type_info& asked, const std::type_info& there);

  const void* options_;
  const std::type_info* type_;
};

/// The numbers of a piece that a formula may depend on. Pieces with equal numbers share one formula.
struct Numbers {
  double lr = 0;           ///< lr(p, t)
  double decay = 0;        ///< lr(p, t) wd, or schedule(t) wd: p <- p (1 - decay)
  double scale = 1;        ///< the shape scale of the block
  std::int64_t count = 0;  ///< applied updates of the parameter, this one included

  bool operator==(const Numbers&) const = default;
};

/// What this rank holds of one block in a local phase: views of equal shape. Work on them element by element only, free
/// of position and layout, with elementwise() (core/plugin/elementwise.h). For Unit::chunk they are 1-D and start at a
/// chunk's first element.
struct Piece {
  const BlockInfo* block = nullptr;
  std::span<const std::int64_t> sizes;  ///< of every view; 1-D for element-wise plugins
  std::int64_t numel = 0;
  kernels::View param;   ///< the stored dtype; with the trait `master` and a half parameter, the fp32 master
  kernels::View stored;  ///< the half parameter that `param` is the master of; null without a master
  kernels::View grad;    ///< any floating dtype; read only
  kernels::View work;    ///< fp32 (fp64 for fp64 parameters); null for plugins without complete units
  std::span<const kernels::View>
      state;  ///< by declared index; null for slots that do not exist here, or live with owners
  Numbers at;
  std::int64_t offset =
      0;  ///< flat index of the first element, in the parameter or (row-major) in the block; for messages
  bool rounds_later = false;  ///< parameter() was called: the executor rounds the master after the phase

  /// A tensor over a view, for what is not element-wise. Valid in the call only.
  at::Tensor tensor(const kernels::View& view) const;
  /// The parameter as a tensor to read and write: the master, brought up to date, where there is one.
  at::Tensor parameter();
};
using Pieces = std::span<Piece>;

/// Complete units of equal shape, on the rank that owns them. Every slot starts on a 64-byte boundary with packed rows.
struct Stack {
  at::Tensor work;   ///< [B, out, in], fp32 (fp64 for fp64 parameters): read what begin made, write what finish needs
  at::Tensor param;  ///< [B, out, in], a copy in work's dtype; only with the trait needs_param
  std::span<const at::Tensor> state;         ///< by declared index, [B, ...] for owner slots; others undefined
  std::span<const BlockInfo* const> blocks;  ///< [B]
  std::span<const double> scale;             ///< [B], the shape scales
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

  /// Local: gradients and state -> work. Never called for element-wise plugins, which need only finish.
  virtual void begin(Pieces, const Step&) {}
  /// Complete units: rewrite work. Called for plugins whose unit is a matrix.
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
