#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "tests/cli/command.h"
#include "tests/cli/models.h"

using namespace cli_test;

namespace {

struct Gpt2 {
  Folder folder;
  std::string spec = folder.write("spec.json", gpt2_spec);
  std::string model = folder.write("gpt2.json", manifest_of("gpt2-124m", gpt2()));
  Result text() const { return run({"plan", spec, "--model", model}); }
  nlohmann::json json() const { return run({"plan", spec, "--model", model, "--format", "json"}).json(); }
};

/// The first line that holds this text, both with runs of spaces made one.
std::string line_with(const std::string& text, const std::string& what) {
  std::stringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::string out;
    for (const auto c : line) {
      if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
    }
    if (out.find(what) != std::string::npos) return out;
  }
  return "";
}

std::string safetensors(const nlohmann::json& header, std::size_t bytes) {
  auto json = header.dump();
  json.append((8 - json.size() % 8) % 8, ' ');
  std::string out;
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(json.size() >> shift & 0xff);
  return out + json + std::string(bytes, '\0');
}

}  // namespace

TEST_CASE("plan: the figures of GPT-2 124M") {
  const Gpt2 gpt;
  const auto result = gpt.text();
  CAPTURE(result.out);
  CAPTURE(result.err);
  CHECK(result.exit == 0);
  CHECK(
      line_with(result.out, "model ").rfind("model 148 tensors, 149 names, 124,439,808 elements, 1 tie, 0 frozen", 0) ==
      0);
  CHECK(line_with(result.out, "spec ").rfind("spec gpt2-124m-muon", 0) == 0);
  CHECK(line_with(result.out, "tied-embedding").rfind("1 tied-embedding 1 38,597,376 31.0% table adamw 0.0006 -", 0) ==
        0);
  CHECK(line_with(result.out, "tied-embedding").find("= transformer.wte.weight, lm_head.weight") != std::string::npos);
  CHECK(line_with(result.out, "positions").rfind("2 positions 1 786,432 0.6% table adamw 0.0006 -", 0) == 0);
  CHECK(line_with(result.out, "fused-qkv")
            .rfind("3 fused-qkv 12 21,233,664 17.1% hidden muon 0.02 split q|k|v, 3 x 768x768", 0) == 0);
  CHECK(line_with(result.out, "hidden-matrices")
            .rfind("4 hidden-matrices 36 63,700,992 51.2% hidden muon 0.02 768x768; 3072x768; 768x3072", 0) == 0);
  CHECK(line_with(result.out, "hidden-matrices").find("12 more matched, won by earlier rules") != std::string::npos);
  CHECK(line_with(result.out, "vectors").rfind("5 vectors 98 121,344 0.1% vector adamw 0.0003 -", 0) == 0);
  CHECK(line_with(result.out, "fallback").rfind("fallback 0 0 0.0% error", 0) == 0);
  CHECK(line_with(result.out, "override residual-out") == "override residual-out 24 tensors lr_scale 0.7");
  CHECK(line_with(result.out, "state hidden") == "state hidden 324.0 MiB momentum float32");
  CHECK(line_with(result.out, "state table") == "state table 300.5 MiB exp_avg float32 + exp_avg_sq float32");
  CHECK(line_with(result.out, "AdamW in float32 for all").find("949.4 MiB") != std::string::npos);
  CHECK(line_with(result.out, "schedule hidden.momentum").find("piecewise") != std::string::npos);
  CHECK(line_with(result.out, "gradients").find("clip to norm 1") != std::string::npos);
  CHECK(line_with(result.out, "sink ").find("metrics.jsonl") != std::string::npos);
  CHECK(line_with(result.out, "exec ") ==
        "exec 4 groups: adamw x100, muon 768x768 x48, muon 768x3072 x12, muon 3072x768 x12");
  CHECK(line_with(result.out, "checks ").rfind("checks 5 rules live, 0 unused, 0 shadowed", 0) == 0);
}

TEST_CASE("plan: the document holds every parameter, and text and document have the same hashes") {
  const Gpt2 gpt;
  const auto json = gpt.json();
  CHECK(json.at("switchyard_plan") == 1);
  CHECK(json.at("state_hash").get<std::string>().size() == 64);
  CHECK(json.at("parameters").size() == 148);
  std::int64_t elements = 0;
  std::int64_t muon = 0;
  for (const auto& parameter : json.at("parameters")) {
    elements += parameter.at("elements").get<std::int64_t>();
    if (parameter.at("plugin") == "muon") muon += parameter.at("elements").get<std::int64_t>();
  }
  CHECK(elements == 124439808);
  CHECK(muon == 84934656);
  const auto hashes = "hash state " + json.at("state_hash").get<std::string>().substr(0, 16) + " plan " +
                      json.at("plan_hash").get<std::string>().substr(0, 16);
  CHECK(line_with(gpt.text().out, "hash ") == hashes);
}

TEST_CASE("plan: neither hash depends on the order of parameters or on the order of names") {
  const Gpt2 gpt;
  auto parameters = gpt2();
  std::reverse(parameters.begin(), parameters.end());
  std::reverse(parameters.back().at("names").begin(), parameters.back().at("names").end());
  const auto turned = run({"plan", gpt.spec, "--model", gpt.folder.write("turned.json", manifest_of("x", parameters)),
                           "--format", "json"})
                          .json();
  CHECK(turned.at("state_hash") == gpt.json().at("state_hash"));
  CHECK(turned.at("plan_hash") == gpt.json().at("plan_hash"));
}

TEST_CASE("plan: on failure the same document, empty, with the diagnostics, and the text on stderr") {
  const Gpt2 gpt;
  auto text = std::string(gpt2_spec);
  text.replace(text.find("transformer.wpe.weight"), std::strlen("transformer.wpe.weight"), "transformer.wpe.wieght");
  const auto spec = gpt.folder.write("bad.json", text);
  const auto result = run({"plan", spec, "--model", gpt.model});
  CHECK(result.exit == 1);
  CHECK(result.out.empty());
  CHECK(result.complains("error[SWY-2001]"));
  CHECK(result.complains("positions"));
  const auto json = run({"plan", spec, "--model", gpt.model, "--format", "json"});
  CHECK(json.exit == 1);
  CHECK(json.err.empty());
  CHECK(json.json().at("switchyard_plan") == 1);
  CHECK(json.json().at("state_hash") == "");
  CHECK(json.json().at("plan_hash") == "");
  CHECK(json.json().at("parameters").empty());
  CHECK(json.json().at("diagnostics").at(0).at("code") == "SWY-2001");
  CHECK(json.json().at("diagnostics").at(0).at("line").get<int>() > 1);
}

TEST_CASE("plan: mistakes in the spec and in the model are reported together") {
  const Folder folder;
  const auto result = run({"plan", folder.write("s.json", "{"), "--model", folder.write("m.json", "[")});
  CHECK(result.exit == 1);
  CHECK(result.complains("s.json"));
  CHECK(result.complains("m.json"));
}

TEST_CASE("plan: warnings go to stderr, the plan to stdout, and the exit status stays 0") {
  const Folder folder;
  auto text = std::string(adamw_spec);
  text.replace(text.find("\"use\": \"all\" }"), 14,
               "\"use\": \"all\" }, {\"id\": \"late\", \"match\": {\"ndim\": 2}, \"use\": \"all\" }");
  const auto result =
      run({"plan", folder.write("s.json", text), "--model",
           folder.write("m.json", manifest_of("m", nlohmann::json::array({parameter({"w"}, {2, 2}, "Linear")})))});
  CHECK(result.exit == 0);
  CHECK(result.complains("warning[SWY-2002]"));
  CHECK_FALSE(result.says("SWY-"));
  CHECK(result.says("1 shadowed"));
}

TEST_CASE("plan: frozen parameters are listed as freeze with what took them, and have no state") {
  const Folder folder;
  auto frozen = parameter({"frozen.weight"}, {4, 4}, "Linear");
  frozen["requires_grad"] = false;
  const auto model =
      folder.write("m.json", manifest_of("m", nlohmann::json::array({parameter({"w"}, {2, 2}, "Linear"), frozen})));
  const auto result = run({"plan", folder.write("s.json", adamw_spec), "--model", model});
  CHECK(result.exit == 0);
  CHECK(line_with(result.out, "model ").find("1 frozen") != std::string::npos);
  CHECK(line_with(result.out, "frozen.weight") ==
        "freeze frozen.weight float32 [4, 4] everything (requires_grad false)");
  CHECK(line_with(result.out, "state all").find("32 B") != std::string::npos);
  for (const auto& row :
       run({"plan", folder / "s.json", "--model", model, "--format", "json"}).json().at("parameters")) {
    CHECK((row.at("optimizer") == "freeze") == (row.at("name") == "frozen.weight"));
  }
}

TEST_CASE("plan: a bf16 parameter costs a master copy") {
  const Folder folder;
  auto half = parameter({"w"}, {16, 16}, "Linear");
  half["dtype"] = "bfloat16";
  const auto result = run({"plan", folder.write("s.json", adamw_spec), "--model",
                           folder.write("m.json", manifest_of("m", nlohmann::json::array({half})))});
  CHECK(result.exit == 0);
  CHECK(line_with(result.out, "state all") ==
        "state all 3.0 KiB exp_avg float32 + exp_avg_sq float32 + master float32");
}

TEST_CASE("plan: a safetensors file is a model, whatever its name") {
  const Folder folder;
  const auto spec = folder.write("s.json", adamw_spec);
  const auto bytes = safetensors({{"w", {{"dtype", "F32"}, {"shape", {2, 3}}, {"data_offsets", {0, 24}}}},
                                  {"b", {{"dtype", "BF16"}, {"shape", {3}}, {"data_offsets", {24, 30}}}}},
                                 30);
  for (const auto* name : {"model.safetensors", "pytorch_model.bin"}) {
    const auto result = run({"plan", spec, "--model", folder.write(name, bytes), "--format", "json"});
    CHECK(result.exit == 0);
    REQUIRE(result.json().at("parameters").size() == 2);
    CHECK(result.json().at("parameters").at(0).at("name") == "w");
    CHECK(result.json().at("parameters").at(1).at("dtype") == "bfloat16");
  }
  const auto cut = run({"plan", spec, "--model", folder.write("cut.safetensors", bytes.substr(0, bytes.size() - 1))});
  CHECK(cut.exit == 1);
  CHECK(cut.complains("SWY-3009"));
  CHECK(run({"plan", spec, "--model", folder.write("empty.safetensors", "")}).exit == 1);
}

TEST_CASE("plan: what `auto` becomes is told for the machine that is asked for, and no hash depends on it") {
  const Gpt2 gpt;
  const auto on = [&](const std::vector<std::string>& machine) {
    std::vector<std::string> arguments = {"plan", gpt.spec, "--model", gpt.model};
    arguments.insert(arguments.end(), machine.begin(), machine.end());
    return run(arguments);
  };
  const auto plain = on({"--machine", "plain"});
  const auto fast = on({"--machine", "bfloat16"});
  REQUIRE(plain.exit == 0);
  REQUIRE(fast.exit == 0);
  CHECK(line_with(plain.out, "auto ").rfind("auto hidden: dtype auto -> float32: ", 0) == 0);
  CHECK(line_with(fast.out, "auto ").rfind("auto hidden: dtype auto -> bfloat16: ", 0) == 0);
  CHECK(line_with(plain.out, "stacks ") != line_with(fast.out, "stacks "));  // with temporaries
  CHECK(line_with(plain.out, "hash ") == line_with(fast.out, "hash "));
  const auto here = on({}).out;
  CHECK(here == on({"--machine", "auto"}).out);
  CHECK((line_with(here, "stacks ") == line_with(plain.out, "stacks ") ||
         line_with(here, "stacks ") == line_with(fast.out, "stacks ")));
  const auto json = [&](const char* machine) {
    return run({"plan", gpt.spec, "--model", gpt.model, "--format", "json", "--machine", machine}).out;
  };
  CHECK(json("plain") == json("bfloat16"));
  const auto wrong = on({"--machine", "bfloat"});
  CHECK(wrong.exit == 2);
  CHECK(wrong.complains("`bfloat` is not one of auto, plain, bfloat16; did you mean `bfloat16`?"));
}
