#include <doctest/doctest.h>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

namespace {

std::string edited(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

struct Gpt2 {
  Folder folder;
  std::string spec = folder.write("spec.json", gpt2_spec);
  std::string model = folder.write("gpt2.json", manifest_of("gpt2-124m", gpt2()));
  std::string lock = folder / "plan.lock";

  std::string changed(const std::string& from, const std::string& to) const {
    return folder.write("changed.json", edited(gpt2_spec, from, to));
  }
  Result plan(const std::string& of, std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"plan", of, "--model", model};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
};

}  // namespace

TEST_CASE("plan: a written lock is what the plan is, and the same bytes each time") {
  const Gpt2 gpt;
  const auto written = gpt.plan(gpt.spec, {"--write-lock", gpt.lock});
  CAPTURE(written.err);
  CHECK(written.exit == 0);
  CHECK(written.says("lock   " + gpt.lock));
  const auto text = read_text(gpt.lock);
  const auto json = nlohmann::json::parse(text);
  auto document = gpt.plan(gpt.spec, {"--format", "json"}).json();
  for (const char* key : {"state_hash", "plan_hash", "parameters"}) CHECK(json.at(key) == document.at(key));
  CHECK(gpt.plan(gpt.spec, {"--write-lock", gpt.lock, "--format", "json"}).json() == document);
  CHECK(read_text(gpt.lock) == text);
  // No temporary file stays behind.
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(gpt.folder.path)) files += entry.exists() ? 1 : 0;
  CHECK(files == 3);
}

TEST_CASE("plan: against its own lock it is the same, after a change it is exit 3 with the difference") {
  const Gpt2 gpt;
  REQUIRE(gpt.plan(gpt.spec, {"--write-lock", gpt.lock}).exit == 0);
  const auto same = gpt.plan(gpt.spec, {"--against", gpt.lock});
  CAPTURE(same.err);
  CHECK(same.exit == 0);
  CHECK(same.says("the plans are the same"));
  CHECK(same.says("148 tensors"));
  const auto values = gpt.changed("\"lr\": 0.02", "\"lr\": 0.03");
  const auto differs = gpt.plan(values, {"--against", gpt.lock});
  CHECK(differs.exit == 3);
  CHECK(differs.says("factor base"));
  CHECK(differs.says("48 tensors"));
  CHECK(differs.says("0.02 -> 0.03"));
  CHECK(differs.says("transformer.h.*.attn.c_attn.weight"));
  CHECK_FALSE(differs.says("(state)"));
  const auto json = gpt.plan(values, {"--against", gpt.lock, "--format", "json"});
  CHECK(json.exit == 3);
  CHECK(json.json().at("same") == false);
  CHECK(json.json().at("same_state") == true);
  CHECK(json.json().at("differences").at(0).at("parameters").size() == 48);
  // Against the plan document it is the same difference.
  const auto document = gpt.folder / "plan.json";
  CHECK(gpt.plan(gpt.spec, {"--format", "json", "-o", document}).out.empty());
  CHECK(gpt.plan(values, {"--against", document}).exit == 3);
  // A change of state is marked.
  const auto moved = gpt.changed("\"match\": { \"name\": \"transformer.wpe.weight\" }, \"use\": \"table\"",
                                 "\"match\": { \"name\": \"transformer.wpe.weight\" }, \"use\": \"hidden\"");
  const auto state = gpt.plan(moved, {"--against", gpt.lock});
  CHECK(state.exit == 3);
  CHECK(state.says("table (adamw) -> hidden (muon)"));
  CHECK(state.says("(state)"));
  CHECK(state.says("does not load"));
}

TEST_CASE("plan: a lock can be compared and renewed in one call, and is kept when there is no plan") {
  const Gpt2 gpt;
  REQUIRE(gpt.plan(gpt.spec, {"--write-lock", gpt.lock}).exit == 0);
  const auto before = read_text(gpt.lock);
  const auto bad = gpt.changed("transformer.wpe.weight", "transformer.wpe.wieght");
  CHECK(gpt.plan(bad, {"--write-lock", gpt.lock}).exit == 1);
  CHECK(read_text(gpt.lock) == before);
  const auto good = gpt.changed("\"lr\": 0.02", "\"lr\": 0.03");
  CHECK(gpt.plan(good, {"--against", gpt.lock, "--write-lock", gpt.lock}).exit == 3);
  CHECK(gpt.plan(good, {"--against", gpt.lock}).exit == 0);
  const auto nowhere = gpt.plan(gpt.spec, {"--write-lock", "/no such folder/plan.lock"});
  CHECK(nowhere.exit == 2);
  CHECK(nowhere.complains("cannot write"));
  for (const auto& special : {std::string("/dev/null"), gpt.folder.path.string()}) {
    const auto refused = gpt.plan(gpt.spec, {"-o", special});
    CHECK(refused.exit == 2);
    CHECK(refused.complains("not a regular file"));
  }
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("plan: a broken lock is an error with its place, a missing one is exit 2") {
  const Gpt2 gpt;
  REQUIRE(gpt.plan(gpt.spec, {"--write-lock", gpt.lock}).exit == 0);
  const auto text = read_text(gpt.lock);
  struct Case {
    std::string text;
    const char* code;
  };
  for (const auto& broken : std::vector<Case>{{edited(text, "0.02", "0.03"), "SWY-3202"},
                                              {text.substr(0, text.size() / 2), "SWY-1001"},
                                              {gpt2_spec, "SWY-3200"},
                                              {"{}", "SWY-3200"}}) {
    const auto path = gpt.folder.write("broken.lock", broken.text);
    const auto result = gpt.plan(gpt.spec, {"--against", path});
    CAPTURE(result.err);
    CHECK(result.exit == 1);
    CHECK(result.out.empty());
    CHECK(result.complains(broken.code));
    CHECK(result.complains("--> " + path + ":"));
    const auto json = gpt.plan(gpt.spec, {"--against", path, "--format", "json"});
    CHECK(json.exit == 1);
    CHECK(json.json().at("diagnostics").at(0).at("line").get<int>() >= 1);
  }
  CHECK(gpt.plan(gpt.spec, {"--against", gpt.folder / "absent"}).exit == 2);
  // A folder is a checkpoint.
  const auto folder = gpt.plan(gpt.spec, {"--against", gpt.folder.path.string()});
  CHECK(folder.exit == 2);
  CHECK(folder.complains("index.json"));
  gpt.folder.write("index.json", R"({"switchyard_checkpoint": 1, "index_sha256": "0", "state": {}, "plan": )" +
                                     gpt.plan(gpt.spec, {"--format", "json"}).out + "}");
  const auto checkpoint = gpt.plan(gpt.spec, {"--against", gpt.folder.path.string()});
  CHECK(checkpoint.exit == 1);
  CHECK(checkpoint.complains("SWY-3202"));
}

TEST_CASE("diff: two specs on one model, two locks, or one of each say the same") {
  const Gpt2 gpt;
  const auto other = gpt.changed("\"lr_scale\": 0.7", "\"lr_scale\": 0.6");
  const auto lock_b = gpt.folder / "b.lock";
  REQUIRE(gpt.plan(gpt.spec, {"--write-lock", gpt.lock}).exit == 0);
  REQUIRE(gpt.plan(other, {"--write-lock", lock_b}).exit == 0);
  const auto specs = run({"diff", gpt.spec, other, "--model", gpt.model, "--format", "json"});
  const auto locks = run({"diff", gpt.lock, lock_b, "--format", "json"});
  const auto mixed = run({"diff", gpt.lock, other, "--model", gpt.model, "--format", "json"});
  for (const auto* result : {&specs, &locks, &mixed}) {
    CAPTURE(result->err);
    CHECK(result->exit == 3);
    CHECK(result->json().at("differences") == specs.json().at("differences"));
    CHECK(result->json().at("differences").size() == 1);
  }
  CHECK(run({"diff", gpt.spec, gpt.spec, "--model", gpt.model}).exit == 0);
  const auto text = run({"diff", gpt.lock, lock_b});
  CHECK(text.exit == 3);
  CHECK(text.says("residual-out 0.7 -> residual-out 0.6"));
  CHECK(text.says("a  " + gpt.lock));
}

TEST_CASE("diff: two specs are compared rule by rule as well, with the places") {
  const Gpt2 gpt;
  const auto other = gpt.changed("\"lr_scale\": 0.7", "\"lr_scale\": 0.6");
  const auto text = run({"diff", gpt.spec, other, "--model", gpt.model});
  CAPTURE(text.out);
  CHECK(text.exit == 3);
  CHECK(text.says("~  override residual-out  lr_scale 0.7 -> 0.6"));
  CHECK(text.says(gpt.spec + ":"));
  CHECK(text.says(" -> " + other + ":"));
  const auto json = run({"diff", gpt.spec, other, "--model", gpt.model, "--format", "json"}).json();
  REQUIRE(json.at("spec").size() == 1);
  CHECK(json.at("spec").at(0).at("kind") == "override");
  CHECK(json.at("spec").at(0).at("a").at("file") == gpt.spec);
  CHECK(json.at("spec").at(0).at("b").at("line").get<int>() > 1);
  // A spec against a lock has nothing to be compared with; what changes no plan is shown but is no difference.
  REQUIRE(gpt.plan(gpt.spec, {"--write-lock", gpt.lock}).exit == 0);
  CHECK(run({"diff", gpt.lock, other, "--model", gpt.model, "--format", "json"}).json().at("spec").is_null());
  const auto renamed = run({"diff", gpt.spec, gpt.changed("\"residual-out\"", "\"outs\""), "--model", gpt.model});
  CAPTURE(renamed.out);
  CHECK(renamed.exit == 0);
  CHECK(renamed.says("+  override outs"));
  CHECK(renamed.says("-  override residual-out"));
}

TEST_CASE("diff: a spec that extends another is compared as a whole, under its policy") {
  const Gpt2 gpt;
  const auto own =
      gpt.folder.write("own.json", R"({"switchyard": 1, "extends": "spec.json", "policy": {"SWY-2004": "off"}})");
  const auto same = run({"diff", own, gpt.spec, "--model", gpt.model});
  INFO(same.out, same.err);
  CHECK(same.exit == 0);
  CHECK(same.says("the plans are the same"));
}

TEST_CASE("diff: a wrong command line or input says what is wrong, once") {
  const Gpt2 gpt;
  REQUIRE(gpt.plan(gpt.spec, {"--write-lock", gpt.lock}).exit == 0);
  CHECK(run({"diff", gpt.spec, gpt.spec}).complains("add --model"));
  CHECK(run({"diff", gpt.spec, gpt.spec}).exit == 2);
  CHECK(run({"diff", gpt.lock, gpt.lock, "--model", gpt.model}).exit == 2);
  CHECK(run({"diff", gpt.lock}).exit == 2);
  CHECK(run({"diff", gpt.lock, gpt.folder / "absent"}).exit == 2);
  const auto bad = gpt.changed("transformer.wpe.weight", "transformer.wpe.wieght");
  const auto result = run({"diff", gpt.spec, bad, "--model", gpt.model, "--format", "json"});
  CHECK(result.exit == 1);
  CHECK(result.json().at("diagnostics").at(0).at("code") == "SWY-2001");
  CHECK(result.json().at("diagnostics").at(0).at("file") == bad);
  const auto model = run({"diff", gpt.spec, bad, "--model", gpt.spec, "--format", "json"});
  CHECK(model.exit == 1);
  CHECK(run({"diff", gpt.lock, gpt.model}).complains("this is a manifest"));
}

TEST_CASE("explain: a rule shows what it takes, what it loses and its view") {
  const Gpt2 gpt;
  const auto result = run({"explain", gpt.spec, "--model", gpt.model, "--rule", "hidden-matrices"});
  CAPTURE(result.out);
  CHECK(result.exit == 0);
  CHECK(result.says("matches  48 tensors, takes 36, loses 12"));
  CHECK(result.says("to fused-qkv"));
  const auto qkv = run({"explain", gpt.spec, "--model", gpt.model, "--rule", "fused-qkv"});
  CHECK(qkv.says("|q 768           |k 768           |v 768           |"));
  const auto json = run({"explain", gpt.spec, "--model", gpt.model, "--rule", "fused-qkv", "--format", "json"}).json();
  CHECK(json.at("won") == 12);
  CHECK(json.at("views").size() == 1);
  const auto wrong = run({"explain", gpt.spec, "--model", gpt.model, "--rule", "fused-qvk"});
  CHECK(wrong.exit == 1);
  CHECK(wrong.complains("SWY-3220"));
  CHECK(wrong.complains("did you mean `fused-qkv`?"));
  CHECK(run({"explain", gpt.spec, "--model", gpt.model, "--rule", "x", "--param", "y"}).exit == 2);
}

TEST_CASE("plan: the page is written whole, and only of a plan") {
  const Gpt2 gpt;
  const auto file = gpt.folder / "plan.html";
  const auto result = gpt.plan(gpt.spec, {"--format", "html", "-o", file});
  CAPTURE(result.err);
  CHECK(result.exit == 0);
  CHECK(result.out.empty());
  const auto page = read_text(file);
  CHECK(page.rfind("<!doctype html>", 0) == 0);
  CHECK(page.find("transformer.h.11.mlp.c_proj.weight") != std::string::npos);
  CHECK(page == gpt.plan(gpt.spec, {"--format", "html"}).out);
  const auto bad = gpt.changed("transformer.wpe.weight", "transformer.wpe.wieght");
  CHECK(gpt.plan(bad, {"--format", "html"}).exit == 1);
  CHECK(gpt.plan(bad, {"--format", "html"}).out.empty());
  CHECK(gpt.plan(gpt.spec, {"--format", "html", "--against", file}).exit == 2);
  CHECK(run({"validate", gpt.spec, "--format", "html"}).exit == 2);
}
