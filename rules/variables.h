#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/diagnostics.h"
#include "core/json.h"

namespace switchyard {

class Reader;
struct Documents;

/// `vars` of a spec: a number, a text, true, false, or a list of these, by name; none refers to another. A name starts
/// with a letter or '_' and goes on with letters, digits and '_'.
class Variables {
 public:
  struct Variable {
    Json value;
    Place place;
    bool broken = false;  ///< not legal: what refers to it is not judged
    mutable bool used = false;
  };
  std::map<std::string, Variable, std::less<>> by_name;
  std::map<std::string, std::map<std::size_t, std::string>> references;  ///< by file, by offset: the name

  const Variable* find(std::string_view name) const;
  /// The name in the reference that a value was put for, or could not be; "" if no reference begins there.
  std::string_view reference_at(const Span& span) const;
  /// SWY-1154 for each of this file that nothing used; those of a preset are there to be used or not.
  void warn_unused(const std::string& file, Diagnostics& diagnostics) const;
};

/// The name in a reference "$name", "" if the text is not one as a whole.
std::string_view variable_name(std::string_view text);

/// The document with the value of a variable in the place of each "$name"; the values then stand where the references
/// stood. Not looked into: `$schema`, `switchyard`, `description`, `extends` and `vars` of the root, `note` of
/// anything. Reports variables that are not legal (SWY-1155) and references to unknown ones (SWY-1153).
/// `documents` null: the root is one file.
Json with_variables(const Json& root, const Documents* documents, Reader& read, Variables& variables);

}  // namespace switchyard
