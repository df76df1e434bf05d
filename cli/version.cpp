#include <fmt/format.h>
#include <torch/version.h>

#include "cli/verbs.h"

namespace switchyard::cli {

Report version(Format format) {
  Report report;
  if (format == Format::json) {
    auto json = Json::object();
    json.set("switchyard_version", std::string(SWITCHYARD_VERSION));
    json.set("libtorch", std::string(TORCH_VERSION));
    json.set("compiler", std::string(SWITCHYARD_COMPILER));
    json.set("build", std::string(SWITCHYARD_BUILD_TYPE));
    report.out = document(json);
  } else {
    report.out = fmt::format("switchyard {}\nLibTorch {}\ncompiler {}\nbuild {}\n", SWITCHYARD_VERSION, TORCH_VERSION,
                             SWITCHYARD_COMPILER, SWITCHYARD_BUILD_TYPE);
  }
  return report;
}

}  // namespace switchyard::cli
