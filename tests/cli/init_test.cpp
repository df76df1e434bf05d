#include <doctest/doctest.h>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

namespace {

/// A fused tensor whose layout only the user knows.
nlohmann::json interleaved() {
  auto list = nlohmann::json::array();
  list.push_back(parameter({"embed_in.weight"}, {1000, 64}, "Embedding"));
  for (int i = 0; i < 2; ++i) {
    const auto prefix = "layers." + std::to_string(i) + ".";
    list.push_back(parameter({prefix + "attention.query_key_value.weight"}, {192, 64}, "Linear"));
    list.push_back(parameter({prefix + "attention.dense.weight"}, {64, 64}, "Linear"));
    list.push_back(parameter({prefix + "norm.weight"}, {64}, "LayerNorm"));
  }
  return list;
}

struct Models {
  Folder folder;
  std::string gpt = folder.write("gpt2.json", manifest_of("gpt2-124m", gpt2()));
  std::string fused = folder.write("fused.json", manifest_of("fused", interleaved()));
  std::string spec = folder / "spec.json";
};

}  // namespace

TEST_CASE("init: writes a spec that plans and lints without a warning") {
  const Models m;
  const auto made = run({"init", "--model", m.gpt, "-o", m.spec});
  CHECK(made.exit == 0);
  CHECK(made.says("switchyard plan"));
  CHECK(made.err.empty());
  const auto plan = run({"plan", m.spec, "--model", m.gpt});
  CHECK(plan.exit == 0);
  CHECK(plan.says("0 warnings, 0 notes"));
  CHECK(plan.says("split q|k|v"));
  const auto lint = run({"lint", m.spec, "--model", m.gpt, "--max-warnings", "0"});
  CHECK(lint.exit == 0);
  CHECK(lint.says("0 warnings, 0 notes"));
}

TEST_CASE("init: without -o the spec goes to stdout") {
  const Models m;
  const auto made = run({"init", "--model", m.gpt});
  CHECK(made.exit == 0);
  CHECK(made.json().at("fallback") == "error");
}

TEST_CASE("init: an existing file is replaced only with --force") {
  const Models m;
  m.folder.write("spec.json", "mine");
  const auto refused = run({"init", "--model", m.gpt, "-o", m.spec});
  CHECK(refused.exit == 2);
  CHECK(refused.complains("--force"));
  CHECK(read_text(m.spec) == "mine");
  CHECK(run({"init", "--model", m.gpt, "-o", m.spec, "--force"}).exit == 0);
  CHECK(read_text(m.spec) != "mine");
}

TEST_CASE("init: head counts come from --vars only") {
  const Models m;
  const auto without = run({"init", "--model", m.fused});
  CHECK(without.says("\"disabled\": true"));
  const auto with = run({"init", "--model", m.fused, "--vars", "n_head=4"});
  CHECK(with.exit == 0);
  CHECK(with.says("\"interleave\": 4"));
  CHECK_FALSE(with.says("\"disabled\""));
  const auto grouped = run({"init", "--model", m.fused, "--vars", "n_head=4,n_kv=1"});
  CHECK(grouped.says("{\"name\": \"q\", \"size\": 128}"));
  const auto wrong = run({"init", "--model", m.fused, "--vars", "n_head=5"});
  CHECK(wrong.exit == 0);
  CHECK(wrong.complains("SWY-3151"));
  const auto slip = run({"init", "--model", m.fused, "--vars", "n_heads=4"});
  CHECK(slip.exit == 2);
  CHECK(slip.complains("did you mean `n_head`?"));
  CHECK(run({"init", "--model", m.fused, "--vars", "n_head=zwölf"}).exit == 2);
  CHECK(run({"init", "--model", m.fused, "--vars", "n_kv=4"}).exit == 2);
}

TEST_CASE("init: a model without anything to train is an error, a missing file is usage") {
  const Models m;
  auto list = interleaved();
  for (auto& entry : list) entry["requires_grad"] = false;
  const auto frozen = m.folder.write("frozen.json", manifest_of("frozen", list));
  const auto result = run({"init", "--model", frozen, "--format", "json"});
  CHECK(result.exit == 1);
  CHECK(result.json().at("diagnostics").at(0).at("code") == "SWY-3150");
  CHECK(run({"init", "--model", m.folder / "none.json"}).exit == 2);
}
