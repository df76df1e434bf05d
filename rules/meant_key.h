#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "rules/grammar.h"

namespace switchyard {

/// What was probably meant by a key that is not legal in an object.
struct MeantKey {
  std::string key;   ///< of the same object: the legal key, or the one under which the given key belongs; "" unknown
  std::string help;  ///< "did you mean `lr`?", "it belongs under `match`"; "" unknown
};

/// In this order: the word that other libraries have for a legal key that the object lacks ("learning_rate"), a key of
/// an object inside this one, an option of a plugin, a key of another object, a legal key or an option that is spelled
/// nearly like it. `options`: names of options that may stand below it.
MeantKey meant_key(const std::string& given, const Spot& spot, const Json& object,
                   const std::vector<std::string>& options);

/// "it belongs under `match`" if exactly this key is legal elsewhere in a spec, else "".
std::string belongs_elsewhere(std::string_view key, const Spot& here);

}  // namespace switchyard
