#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace switchyard {

/// The numbers of `keys` in bytewise order of the keys, equal keys in order of their numbers. Made for names with long
/// common beginnings: only what follows the beginning of all is compared, eight bytes at a time where they decide.
std::vector<std::size_t> key_order(const std::vector<std::string_view>& keys);

}  // namespace switchyard
