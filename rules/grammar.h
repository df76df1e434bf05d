#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// A key or value of the grammar whose feature this build does not have: refused with a code of its own.
struct LaterFeature {
  std::string name;
  const char* code;
  const char* instead;  ///< what to do now
};

/// One kind of object of the formats: its legal keys, and the known ones that this build refuses.
struct Spot {
  std::string what;   ///< "a rule"
  std::string where;  ///< where such an object stands: "under `match`"
  std::vector<std::string> keys;
  std::vector<LaterFeature> later;

  /// The feature of a later build behind a key; null if it is none.
  const LaterFeature* later_key(std::string_view key) const;
};

namespace spots {
const Spot& spec();
const Spot& optimizer();
const Spot& schedule();
const Spot& rule();
const Spot& override_();
const Spot& match();
const Spot& settings();
const Spot& view();
const Spot& split();
const Spot& part();
const Spot& heads();
const Spot& flatten();
const Spot& gradients();
const Spot& clip();
const Spot& sink();
const Spot& canonical();
const Spot& layers();
const Spot& manifest();
const Spot& parameter();
const Spot& storage();
const Spot& plugins();
const Spot& plugin();
const Spot& plugin_option();
const Spot& plugin_choice();
const Spot& plugin_slot();
const Spot& plugin_traits();
/// Those of a spec.
std::vector<const Spot*> of_spec();
}  // namespace spots

/// {"expr": ...} where a factor stands.
const LaterFeature& later_expression();
/// Kinds of sinks.
const std::vector<LaterFeature>& later_sinks();

}  // namespace switchyard
