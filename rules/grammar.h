#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// One kind of object of the formats: its legal keys, and the known ones that this build refuses.
struct Spot {
  std::string what;   ///< "a rule"
  std::string where;  ///< where such an object stands: "under `match`"
  std::vector<std::string> keys;
  std::vector<std::string> unsupported;
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
/// Those of a spec.
std::vector<const Spot*> of_spec();
}  // namespace spots

/// "it belongs under `match`" if exactly this key is legal elsewhere in a spec, else "".
std::string belongs_elsewhere(std::string_view key, const Spot& here);

}  // namespace switchyard
