// The specs of examples/specs that are worked out in full, on the manifests of examples/manifests: they plan without a
// finding and route the expected elements.
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "rules/lint.h"
#include "rules/manifest.h"
#include "rules/planner.h"
#include "rules/plugins_json.h"
#include "rules/spec.h"

using namespace switchyard;

namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(SWITCHYARD_SOURCE_DIR "/" + path);
  REQUIRE_MESSAGE(file, path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Elements by optimizer.
std::map<std::string, std::int64_t> routed(const std::string& spec_name, const std::string& model_name) {
  const auto registry = registry_from_json(read_file("schemas/plugins.json"));
  const auto text = read_file("examples/specs/" + spec_name + ".json");
  Diagnostics found;
  const auto model = read_manifest(read_file("examples/manifests/" + model_name + ".json"), "model.json", found);
  const auto spec = parse_spec(text, "spec.json", registry, found);
  REQUIRE_MESSAGE((spec && model), render(found, {{"spec.json", text}}));
  const auto plan = make_plan(*spec, model->table, registry, found);
  REQUIRE_MESSAGE(plan, render(found, {{"spec.json", text}}));
  found.append(plan->diagnostics);
  found.append(lint(*spec, model->table, *plan, registry));
  for (const auto& item : found.items()) CHECK_MESSAGE(item.code == "SWY-2006", item.message);
  std::map<std::string, std::int64_t> out;
  for (const auto& parameter : plan->parameters) out[parameter.optimizer] += parameter.info.numel();
  return out;
}

using Elements = std::map<std::string, std::int64_t>;

}  // namespace

TEST_CASE("worked specs: GPT-2 124M with variables and numbered layers") {
  CHECK(routed("gpt2_124m", "gpt2-124m") ==
        Elements{{"hidden", 84'934'656}, {"table", 39'383'808}, {"vector", 121'344}});
}

TEST_CASE("worked specs: Mixtral 8x7B, a block for each head and each expert") {
  CHECK(routed("mixtral_experts", "mixtral-8x7b") == Elements{{"attn", 1'342'177'280},
                                                              {"expert", 45'097'156'608},
                                                              {"router", 1'048'576},
                                                              {"tables", 131'072'000},
                                                              {"vector", 131'338'240}});
}

TEST_CASE("worked specs: ViT-B/16 with layer decay") {
  CHECK(routed("vit_layer_decay", "vit_base_patch16_224") == Elements{{"matrix", 84'934'656}, {"rest", 1'633'000}});
}
