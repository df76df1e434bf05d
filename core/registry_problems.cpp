#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/json.h"
#include "core/registry.h"

namespace switchyard {

namespace {

bool is_identifier(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// True if every choice of the option is one of the table's.
template <class Table>
bool choices_of(const OptionInfo& option, const Table& table) {
  return option.type == OptionType::choice &&
         std::all_of(option.choices.begin(), option.choices.end(), [&](const OptionChoice& choice) {
           return std::any_of(table.begin(), table.end(), [&](const auto& entry) { return choice.name == entry.name; });
         });
}

class Problems {
 public:
  explicit Problems(const OptimizerDescriptor& descriptor) : descriptor_(descriptor) {}

  std::vector<std::string> all() {
    if (!is_identifier(descriptor_.name)) say("the name must be made of a-z, 0-9 and _");
    std::set<std::string> names;
    for (const auto& entry : descriptor_.table.options) {
      if (!names.insert(entry.name).second) say(fmt::format("two options are called `{}`", entry.name));
      option(entry);
    }
    roles();
    names.clear();
    for (const auto& entry : descriptor_.slots) {
      if (!names.insert(entry.name).second) say(fmt::format("two slots are called `{}`", entry.name));
      slot(entry);
    }
    chunk();
    traits();
    defaults();
    return std::move(out_);
  }

 private:
  void say(std::string problem) { out_.push_back(std::move(problem)); }

  void option(const OptionInfo& option) {
    if (!is_identifier(option.name)) say(fmt::format("option `{}` must be named with a-z, 0-9 and _", option.name));
    for (const auto* taken : {"lr", "lr_scale", "wd_scale", "schedules"}) {
      if (option.name == taken) say(fmt::format("option `{}` has a name that specs use themselves", taken));
    }
    const auto& interval = option.interval;
    const bool open = interval.low_open || interval.high_open;
    if (interval.low > interval.high || (open && interval.low == interval.high)) {
      say(fmt::format("no number is in the range of option `{}`", option.name));
      return;
    }
    if (option.type == OptionType::choice && option.choices.empty()) {
      say(fmt::format("option `{}` is a choice of nothing", option.name));
      return;
    }
    if (option.type == OptionType::numbers && option.length == 0)
      say(fmt::format("option `{}` is a list of no numbers", option.name));
    auto value = option.default_value;
    if (const auto wanted = check_option(option, value); !wanted.empty())
      say(fmt::format("the default of option `{}` is not {}", option.name, wanted));
    if (option.schedulable && option.type != OptionType::number)
      say(fmt::format("option `{}` is no number, so no schedule can drive it", option.name));
  }

  void roles() {
    for (const auto role : {OptionRole::weight_decay, OptionRole::decay_mode, OptionRole::shape_scale}) {
      const auto& options = descriptor_.table.options;
      const auto is = [&](const OptionInfo& option) { return option.role == role; };
      if (std::count_if(options.begin(), options.end(), is) > 1) say("two options have one role");
    }
    const auto& table = descriptor_.table;
    const auto* decay = table.with_role(OptionRole::weight_decay);
    if (decay != nullptr && (decay->type != OptionType::number || !(decay->interval.low >= 0)))
      say("the weight decay must be a number of at least 0");
    const auto* mode = table.with_role(OptionRole::decay_mode);
    if (mode != nullptr && !choices_of(*mode, describe(of<DecayMode>{})))
      say("the mode of the decay must be a choice of decoupled and independent");
    const auto* scale = table.with_role(OptionRole::shape_scale);
    if (scale != nullptr && !choices_of(*scale, describe(of<ShapeScale>{})))
      say("the shape scale must be a choice of spectral, rms_to_rms, match_rms_adamw and none");
  }

  void slot(const Slot& slot) {
    const auto& traits = descriptor_.traits;
    const auto says = [&](std::string_view what) { say(fmt::format("slot `{}` {}", slot.name, what)); };
    if (!is_identifier(slot.name)) says("must be named with a-z, 0-9 and _");
    if (slot.name == "master" || slot.name == "count") says("has a name that the executor uses itself");
    if (!slot.when.empty() && descriptor_.table.find(slot.when) == nullptr)
      says(fmt::format("depends on `{}`, which is not an option", slot.when));
    if (slot.shape == SlotShape::per_chunk && traits.unit != Unit::chunk)
      says("is per chunk but the unit is not a chunk");
    if (owner_slot(slot.shape) && !descriptor_.needs_matrix())
      says("belongs to blocks but the plugin works on elements");
    if (slot.identity && slot.shape != SlotShape::out_by_out && slot.shape != SlotShape::in_by_in)
      says("starts as the identity but is not a square matrix");
    if (slot.identity && slot.initial != 0) says("starts as the identity and with a number");
    if (!slot.encoded()) return;
    if (!known_codec(slot.codec)) says(fmt::format("has codec `{}`, which is not one of absmax_u8", slot.codec));
    if (slot.shape != SlotShape::like_param || traits.unit != Unit::chunk)
      says("is encoded by chunks, so it must be like the parameter and the unit a chunk");
    if (slot.dtype != SlotDtype::work && slot.dtype != SlotDtype::float32)
      says("is encoded, so what the plugin sees is float32");
    if (slot.initial != 0) says("is encoded and starts with another number than 0");
    if (std::any_of(descriptor_.slots.begin(), descriptor_.slots.end(),
                    [&](const Slot& other) { return other.name == slot.name + "_scale"; }))
      says(fmt::format("keeps its scales as `{}_scale`, which is another slot", slot.name));
  }

  void chunk() {
    const auto& traits = descriptor_.traits;
    if (traits.unit == Unit::chunk && traits.chunk < 1 && traits.chunk_option.empty())
      say("the length of a chunk must be at least 1");
    if (traits.chunk_option.empty()) return;
    const auto* option = descriptor_.table.find(traits.chunk_option);
    if (option == nullptr || option->type != OptionType::integer || option->interval.low < 1)
      say(fmt::format("`{}` must be an integer option of at least 1", traits.chunk_option));
  }

  /// What the engine does not do is refused, so that nobody relies on it. Descriptions of other programs' plugins may
  /// have it: they are planned with, not run.
  void traits() {
    const auto& traits = descriptor_.traits;
    if (!descriptor_.make) return;
    if (traits.predicated)
      say("the trait `predicated` does nothing in this version: steps are skipped by the executor");
    if (!traits.upholds.empty()) say("the trait `upholds` does nothing in this version: there are no constraints");
    if (traits.unit == Unit::row || traits.unit == Unit::column)
      say("rows and columns are not units that this version runs: declare a matrix");
  }

  void defaults() {
    if (descriptor_.defaults.empty()) return;
    Diagnostics diagnostics;
    const auto json = parse_json(descriptor_.defaults, "defaults", diagnostics);
    if (!json || diagnostics.has_errors() || !json->is(Json::Kind::object))
      say("the suggested spec must be the text of a JSON object");
  }

  const OptimizerDescriptor& descriptor_;
  std::vector<std::string> out_;
};

}  // namespace

std::vector<std::string> problems_of(const OptimizerDescriptor& descriptor) { return Problems(descriptor).all(); }

}  // namespace switchyard
