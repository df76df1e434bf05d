#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostics.h"

namespace switchyard {

/// One value of a pickle. Values refer to each other by index, so that sharing costs nothing and circles are harmless.
struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    boolean,     ///< `number` 0 or 1
    integer,     ///< `number`; beyond 64 bits it is `other`
    text,        ///< `text`, UTF-8
    list,        ///< `items`
    tuple,       ///< `items`
    dict,        ///< `items`: key, value, key, value ...; a collections.OrderedDict too
    global,      ///< `text`: "torch._utils._rebuild_tensor_v2"; never looked up, never called
    object,      ///< `items`: what makes it, its arguments, and its state if it has one
    persistent,  ///< `items`: the id, which for torch is ("storage", type, key, device, elements)
    other,       ///< bytes, floats, sets, texts with U+0000 or not in UTF-8: nothing that says something about a model
  };
  Kind kind = Kind::none;
  std::int64_t number = 0;
  std::string text;
  std::vector<std::uint32_t> items;
};

/// What a pickle would build, as data. Nothing is executed: a call is a value that names its callable and arguments.
/// Protocols 2 to 5. A pickle that is damaged, of another protocol, or over the limits (32 MiB, eight million values)
/// is SWY-3022, with the byte.
struct Pickle {
  static constexpr std::int64_t most_bytes = std::int64_t{32} << 20;
  static constexpr std::size_t most_values = 8'000'000;  ///< about 20 for a tensor

  std::deque<PickleValue> values;  ///< grows without a second copy of them
  std::uint32_t root = 0;

  const PickleValue& operator[](std::uint32_t index) const { return values[index]; }
  /// The text of a value, "" if it is none.
  const std::string& text(std::uint32_t index) const;
  /// The value of a key of a dict; null if there is none. The last one wins, as in Python.
  const PickleValue* find(const PickleValue& dict, std::string_view key) const;
};

/// `most_values` also limits how many values the pickle keeps to ask for again.
std::optional<Pickle> read_pickle(std::string_view text, const std::string& file, Diagnostics& diagnostics,
                                  std::size_t most_values = Pickle::most_values);

}  // namespace switchyard
