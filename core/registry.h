#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/describe.h"
#include "core/dtype.h"
#include "core/machine.h"
#include "core/scale.h"
#include "core/slot.h"

namespace switchyard {

class Optimizer;  // core/plugin/optimizer.h; here only a name behind the factory

/// The smallest piece of a parameter that an update rule must see complete.
enum class Unit : std::uint8_t {
  element,  ///< any flat range of the parameter
  chunk,    ///< flat runs of `Traits::chunk` elements, counted row-major over the logical tensor
  row,      ///< rows of a block (one out index, all of in)
  column,   ///< columns of a block
  matrix,   ///< whole blocks
};

/// What the executor needs to know to run a plugin; plain data.
struct Traits {
  Unit unit = Unit::element;
  std::int64_t chunk = 0;  ///< of Unit::chunk, unless `chunk_option` names the integer option that holds it
  std::string chunk_option{};
  bool needs_param = false;            ///< Stack::param is filled (an fp32 copy; the master where there is one)
  bool needs_lr = false;               ///< Stack::lr is filled
  bool master = false;                 ///< bf16 and fp16 parameters get an fp32 master copy, kept by the executor
  bool predicated = false;             ///< takes the skip flag on the device; no engine of this version does
  bool scale_free = false;             ///< multiplying all gradients by a constant does not change the update
  std::vector<std::string> upholds{};  ///< names of constraints that hold after each step; there are none yet
};

/// A plugin as plain data: what planning, schemas, documentation and checkpoints need. Only `make` knows tensors.
struct OptimizerDescriptor {
  std::string name;
  std::string doc;
  std::string version = "1.0";
  std::int64_t state_version = 1;  ///< raised only when the meaning of a slot changes
  OptionTable table{};
  std::vector<Slot> slots{};
  Traits traits{};
  /// What the plugin suggests to specs, as the text of a spec that may lack anything: an optimizer, rules with their
  /// reasons, a fallback. Specs get it by `"extends": "plugin:NAME/defaults"` and never otherwise. "" for nothing.
  std::string defaults{};
  /// FLOPs of transform for one block [out, in]; empty for plugins without transform, or loaded from JSON.
  std::function<double(std::int64_t out, std::int64_t in, const OptionValues&)> flops{};
  /// Most bytes that a call allocates at a time beside its stack of blocks [out, in] with `work` elements (plugins
  /// without stacks: beside one parameter of `out` elements, in = 1), buffers inside BLAS not counted. Part of the
  /// workspace that the plan prints. Empty: none, or loaded from JSON.
  std::function<std::int64_t(std::int64_t out, std::int64_t in, Dtype work, const OptionValues&, const Machine&)>
      scratch{};
  /// What options that depend on the machine resolve to on this one and why ("dtype auto -> bfloat16: ..."); "" if none
  /// does. Not part of any hash, but ranks must agree. May be empty.
  std::function<std::string(const OptionValues&, const Machine&)> resolved{};
  /// "" if the options fit together, else one sentence (cross-field rules). May be empty. It must depend on its
  /// argument alone: a registry makes it remember what it said (core/remembered.h).
  std::function<std::string(const OptionValues&)> check{};
  /// Makes the object that runs. Empty for descriptors loaded from JSON, with which one can plan but not run.
  std::function<std::unique_ptr<Optimizer>()> make{};
  /// The file that describes it, when it is not part of this program; "" otherwise. For people.
  std::string loaded_from{};

  /// Elements per chunk under these options; 1 for other units.
  std::int64_t chunk_length(const OptionValues& values) const;
  /// True if the plugin works on blocks (rows, columns or matrices) and so needs roles for the axes.
  bool needs_matrix() const {
    return traits.unit == Unit::row || traits.unit == Unit::column || traits.unit == Unit::matrix;
  }
  /// The factor of a block's update under these options; 1 for plugins without such an option.
  double scale(const OptionValues& values, std::int64_t out, std::int64_t in) const;
};

/// Everything in a descriptor that contradicts itself, a sentence each; empty for a good one.
std::vector<std::string> problems_of(const OptimizerDescriptor& descriptor);

/// The plugins of one program: an ordinary value. There is no global one.
class Registry {
 public:
  /// Throws OptimizerError if the name is taken or problems_of() finds something (all said in one message).
  void add(OptimizerDescriptor descriptor);
  const OptimizerDescriptor* find(std::string_view name) const;
  /// In order of name.
  const std::vector<OptimizerDescriptor>& optimizers() const { return optimizers_; }
  std::vector<std::string> names() const;

 private:
  std::vector<OptimizerDescriptor> optimizers_;
};

/// Adds every plugin of optimizers/ (the list is generated from the file names at build time).
void register_builtin_plugins(Registry& registry);
/// A registry with the built-in plugins.
Registry builtin_registry();

}  // namespace switchyard

/// Opens the registration function of the plugin in optimizers/<stem>.cpp:
///   SWITCHYARD_PLUGIN(muon) { registry.add({...}); }
#define SWITCHYARD_PLUGIN(stem)                    \
  namespace switchyard {                           \
  void register_plugin_##stem(Registry& registry); \
  }                                                \
  void switchyard::register_plugin_##stem([[maybe_unused]] ::switchyard::Registry& registry)
