#pragma once

#include <map>
#include <string>

#include "core/json.h"

namespace switchyard {

/// The files that a spec is put together from, as they were read.
struct Documents {
  std::map<std::string, Json, std::less<>> by_file;

  /// The JSON pointer, in its own file, of the innermost value at a place; a key counts as its value.
  std::string pointer_at(const Span& span) const;
};

}  // namespace switchyard
