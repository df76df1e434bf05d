#include <doctest/doctest.h>

#include <cmath>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

namespace {

struct Gpt2 {
  Folder folder;
  std::string spec = folder.write("spec.json", gpt2_spec);
  std::string model = folder.write("gpt2.json", manifest_of("gpt2-124m", gpt2()));
  Result text(const std::string& name) const { return run({"explain", spec, "--model", model, "--param", name}); }
  Result json(const std::string& name) const {
    return run({"explain", spec, "--model", model, "--param", name, "--format", "json"});
  }
};

}  // namespace

TEST_CASE("explain: every rule has a verdict and a place, and every factor is shown") {
  const Gpt2 gpt;
  const auto result = gpt.text("transformer.h.11.attn.c_proj.weight");
  CAPTURE(result.out);
  CAPTURE(result.err);
  CHECK(result.exit == 0);
  CHECK(
      result.says("transformer.h.11.attn.c_proj.weight   float32 [768, 768]   589,824 elements   module Conv1D   "
                  "untied   trainable"));
  for (const auto* rule : {"tied-embedding", "positions", "fused-qkv", "hidden-matrices", "vectors"})
    CHECK(result.says(rule));
  CHECK(result.says("WINS"));
  CHECK(result.says(gpt.spec + ":18:"));
  CHECK(result.says("optimizer hidden (muon "));
  CHECK(result.says("lr        0.02 base x 0.7 residual-out = 0.014"));
  // lr(0) = 0.014 / 256, the peak at the end of the warmup, 0 at the end.
  CHECK(result.says("t = 0: 5.46875e-05   t = 256: 0.014   t = 16000: 0.014   t = 20000: 0"));
  CHECK(result.says("t = 0: 0.85   t = 300: 0.95"));
  CHECK(result.says("schedule, default unused"));
  CHECK(result.says("times wd_scale 0.5"));
  CHECK(result.says("default"));
}

TEST_CASE("explain: blocks with what they select") {
  const Gpt2 gpt;
  const auto result = gpt.text("transformer.h.0.attn.c_attn.weight");
  CHECK(result.says("axis 1 [768, 1536)"));
  CHECK(result.says("768x768"));
}

TEST_CASE("explain: a tied tensor is found under any of its names") {
  const Gpt2 gpt;
  const auto result = gpt.text("lm_head.weight");
  CHECK(result.exit == 0);
  CHECK(result.out == gpt.text("transformer.wte.weight").out);
  CHECK(result.says("tied with lm_head.weight"));
}

TEST_CASE("explain: the document agrees with the plan's") {
  const Gpt2 gpt;
  const auto result = gpt.json("transformer.h.3.attn.c_proj.weight");
  CHECK(result.exit == 0);
  const auto json = result.json();
  CHECK(json.at("switchyard_explain") == 1);
  CHECK(json.at("winner") == "hidden-matrices");
  REQUIRE(json.at("rules").size() == 5);
  CHECK(json.at("rules").at(3).at("verdict") == "WINS");
  CHECK(json.at("rules").at(0).at("verdict") == "no");
  CHECK_FALSE(json.at("rules").at(0).at("why").get<std::string>().empty());
  CHECK(json.at("overrides").at(0).at("matches") == true);
  CHECK(json.at("overrides").at(1).at("matches") == false);
  CHECK(json.at("origins").at("weight_decay") == "optimizer");
  CHECK(json.at("origins").at("nesterov") == "default");
  bool found = false;
  const auto plan = run({"plan", gpt.spec, "--model", gpt.model, "--format", "json"}).json();
  for (const auto& row : plan.at("parameters")) {
    if (row.at("name") != "transformer.h.3.attn.c_proj.weight") continue;
    CHECK(row == json.at("parameter"));
    found = true;
  }
  CHECK(found);
}

TEST_CASE("explain: an unknown name is an error with the nearest names") {
  const Gpt2 gpt;
  const auto result = gpt.text("transformer.h.3.attn.c_porj.weight");
  CHECK(result.exit == 1);
  CHECK(result.out.empty());
  CHECK(result.complains("no parameter `transformer.h.3.attn.c_porj.weight`"));
  CHECK(result.complains("`transformer.h.3.attn.c_proj.weight`"));
  const auto json = gpt.json("absent\xff");
  CHECK(json.exit == 1);
  CHECK(json.json().at("parameter").is_null());
  CHECK(json.json().at("diagnostics").size() == 1);
}

TEST_CASE("explain: where no plan can be made, the trace still says why") {
  const Gpt2 gpt;
  auto parameters = gpt2();
  parameters.push_back(parameter({"extra.cube"}, {2, 2, 2}, "Odd"));
  const auto model = gpt.folder.write("extra.json", manifest_of("x", parameters));
  const auto result = run({"explain", gpt.spec, "--model", model, "--param", "extra.cube"});
  CHECK(result.exit == 1);
  CHECK(result.complains("SWY-2003"));
  CHECK(result.says("no rule takes it"));
  CHECK(result.says("hidden-matrices"));
  const auto json = run({"explain", gpt.spec, "--model", model, "--param", "extra.cube", "--format", "json"});
  CHECK(json.exit == 1);
  CHECK(json.json().at("parameter").is_null());
  CHECK(json.json().at("rules").size() == 5);
  CHECK(json.json().at("diagnostics").at(0).at("code") == "SWY-2003");
}
