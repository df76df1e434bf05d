#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostics.h"
#include "rules/zip_archive.h"

namespace switchyard {

/// The classes of one source, found once; each is then looked up by its name. At most 4 GiB.
class ScriptSource {
 public:
  explicit ScriptSource(std::string text);

  /// The list of texts behind `__parameters__ = ` in the class `name`; empty if it has no list, nothing if there is no
  /// such class, or its list is broken.
  std::optional<std::set<std::string>> parameters(std::string_view name) const;

 private:
  struct Class {
    std::uint32_t at = 0;         ///< where its name starts
    std::uint32_t name_size = 0;  ///< bytes of its name
    std::uint32_t size = 0;       ///< bytes from `at` to the next class
  };
  std::string_view name_of(const Class& one) const { return std::string_view(text_).substr(one.at, one.name_size); }

  std::string text_;
  std::vector<Class> classes_;  ///< by name
};

/// What the classes of a TorchScript archive say about themselves in code/*.py: which attributes are parameters (the
/// others are buffers). The text is searched, never run.
class ScriptClasses {
 public:
  /// `budget`: bytes of all sources together.
  ScriptClasses(const ZipArchive& archive, const std::string& root, const std::string& file,
                std::int64_t budget = std::int64_t{64} << 20)
      : archive_(archive), root_(root), file_(file), budget_(budget) {}

  /// The names in `__parameters__` of the class "__torch__.a.b.C", which stands in code/__torch__/a/b.py; empty for a
  /// class that is no module. Null, and reported once (SWY-3021), if the file or the class is missing or damaged, or
  /// the sources are over the budget.
  const std::set<std::string>* parameters(const std::string& type, Diagnostics& diagnostics);

 private:
  const ScriptSource* source(const std::string& path, const std::string& type, Diagnostics& diagnostics);

  const ZipArchive& archive_;
  const std::string& root_;
  const std::string& file_;
  std::int64_t budget_;
  bool spent_ = false;
  std::map<std::string, std::optional<std::set<std::string>>> known_;
  std::map<std::string, std::optional<ScriptSource>> sources_;
};

}  // namespace switchyard
