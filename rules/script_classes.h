#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/diagnostics.h"
#include "rules/zip_archive.h"

namespace switchyard {

/// What the classes of a TorchScript archive say about themselves in code/*.py: which attributes are parameters (the
/// others are buffers). The text is searched, never run.
class ScriptClasses {
 public:
  ScriptClasses(const ZipArchive& archive, const std::string& root, const std::string& file)
      : archive_(archive), root_(root), file_(file) {}

  /// The names in `__parameters__` of the class "__torch__.a.b.C", which stands in code/__torch__/a/b.py; empty for a
  /// class that is no module. Null, and reported (SWY-3021), if the file or the class is missing or damaged.
  const std::set<std::string>* parameters(const std::string& type, Diagnostics& diagnostics);

 private:
  const ZipArchive& archive_;
  const std::string& root_;
  const std::string& file_;
  std::map<std::string, std::optional<std::set<std::string>>> known_;
  std::map<std::string, std::optional<std::string>> sources_;
};

/// The list of texts behind `__parameters__ = ` in the class `name` of a source; nothing if there is no such class, or
/// its list is broken.
std::optional<std::set<std::string>> script_parameters(std::string_view source, std::string_view name);

}  // namespace switchyard
