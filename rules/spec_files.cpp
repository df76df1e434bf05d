#include "rules/spec_files.h"

#include "core/json.h"
#include "core/regular_file.h"

namespace switchyard {

SpecFiles spec_files(Sources& sources) {
  return {[](const std::string& path) -> std::optional<std::string> {
            const RegularFile file(path);  // parse_spec says what cannot be read
            if (!file.good()) return std::nullopt;
            return file.read(JsonLimits{}.bytes + 1);
          },
          &sources};
}

}  // namespace switchyard
