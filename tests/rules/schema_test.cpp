#include "rules/schema.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "rules/plugins_json.h"

using namespace switchyard;

namespace {

std::string committed(const std::string& name) {
  std::ifstream file(SWITCHYARD_SOURCE_DIR "/schemas/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("schema: the committed one is what grammar and option tables give") {
  const auto registry = registry_from_json(committed(plugins_file()));
  const auto generated = generated_text(spec_schema(registry));
  CHECK_MESSAGE(generated == committed(spec_schema_file()), "run `switchyard schema --write schemas`; it should be\n"
                                                                << generated);
}
