#include "rules/lint.h"

#include <doctest/doctest.h>

#include "core/json.h"
#include "rules/planner.h"
#include "rules/spec.h"
#include "tests/support/architectures.h"
#include "tests/support/byte_state.h"

using namespace switchyard;

namespace {

struct Linted {
  std::string text;
  Diagnostics found;

  /// `rules` are the rules of the spec; what they leave goes to adamw without a finding.
  Linted(const std::string& rules, std::vector<ParameterInfo> list, const std::string& more = "")
      : text(R"({"switchyard": 1, "optimizers": {
  "matrix": {"plugin": "muon", "lr": 0.02}, "element": {"plugin": "adamw", "lr": 0.001},
  "bytes": {"plugin": "adamw8bit", "lr": 0.001}},
 "rules": [
)" + rules + "],\n \"fallback\": \"element\"" +
             more + "}") {
    const auto registry = test::registry_with_bytes();
    const auto table = test::table(std::move(list));
    Diagnostics diagnostics;
    const auto spec = parse_spec(text, "s.json", registry, diagnostics);
    REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
    const auto plan = make_plan(*spec, table, registry, diagnostics);
    REQUIRE_MESSAGE(plan, render(diagnostics, {{"s.json", text}}));
    found = lint(*spec, table, *plan, registry);
  }

  /// Exactly one finding, with this code, at this piece of the text.
  const Diagnostic& only(const std::string& code, const std::string& place) const {
    CAPTURE(render(found, {{"s.json", text}}));
    REQUIRE(found.items().size() == 1);
    const auto& item = found.items()[0];
    CHECK(item.code == code);
    CHECK(text.substr(item.place.span.offset, item.place.span.length) == place);
    CHECK_FALSE(item.message.empty());
    return item;
  }
  bool clean() const { return found.empty(); }
};

/// A rule of matrices with this match and view.
std::string rule(const std::string& id, const std::string& name, const std::string& use = "matrix",
                 const std::string& more = "") {
  return R"({"id": ")" + id + R"(", "match": {"name": )" + name + R"(}, "use": ")" + use + "\"" + more + "}";
}

}  // namespace

TEST_CASE("lint: tables, positions and heads on a matrix optimizer, once a kind, with the rule to write") {
  const std::vector<ParameterInfo> list = {test::parameter("embed.weight", {1000, 64}, "Embedding"),
                                           test::parameter("layers.0.mlp.up.weight", {64, 32}, "Linear"),
                                           test::parameter("layers.1.mlp.up.weight", {64, 32}, "Linear")};
  const Linted s(rule("all", "\"**.weight\""), list);
  const auto& item = s.only("SWY-3100", "\"all\"");
  CHECK(item.subject == "embed.weight");
  CHECK(item.help ==
        R"(write before it: {"id": "all-exception", "match": {"name": "embed.weight"}, "use": "element"})");
  CHECK(Linted(rule("all", "\"layers.*.mlp.up.weight\""), list).clean());
}

TEST_CASE("lint: heads, tables of positions and tables that are tied to the head") {
  const auto one = [](const char* name, std::vector<ParameterInfo> list, const char* subject) {
    const Linted s(rule("r", "\"" + std::string(name) + "\""), std::move(list));
    CHECK(s.only("SWY-3100", "\"r\"").subject == subject);
  };
  one("lm_head.weight", test::llama_like(), "lm_head.weight");
  one("transformer.wte.weight", test::gpt2(1, 64), "transformer.wte.weight");
  one("transformer.wpe.weight", test::gpt2(1, 64), "transformer.wpe.weight");
  one("model.decoder.embed_positions.weight", test::whisper_like(), "model.decoder.embed_positions.weight");
}

TEST_CASE("lint: a spec that strips wrappers is linted under canonical names") {
  auto list = test::llama_like();
  for (auto& info : list) info.names[0] = "_orig_mod." + info.names[0];
  const std::string strip = R"(, "canonical": {"strip": ["_orig_mod"]})";
  const Linted s(rule("all", "\"model.layers.1*.mlp.up_proj.weight\""), list, strip);
  s.only("SWY-3114", "\"model.layers.1*.mlp.up_proj.weight\"");
  const Linted head(rule("r", "\"{lm_head,**.up_proj}.weight\""), list, strip);
  CHECK(head.only("SWY-3100", "\"r\"").help.find(R"("name": "lm_head.weight")") != std::string::npos);
}

TEST_CASE("lint: a fused tensor without a split, with the split to write") {
  const Linted s(rule("qkv", "\"blocks.*.attn.qkv.weight\""), test::vit_like());
  const auto& item = s.only("SWY-3101", "\"qkv\"");
  CHECK(item.help.find(R"("matrix": {"split": {"axis": 0, "parts": 3}})") != std::string::npos);
  CHECK(item.message.find("2 tensors") != std::string::npos);
  CHECK(
      Linted(rule("qkv", "\"blocks.*.attn.qkv.weight\"", "matrix", R"(, "matrix": {"split": {"axis": 0, "parts": 3}})"),
             test::vit_like())
          .clean());
  // Where nothing shows the layout, the help is the element-wise optimizer.
  const Linted unknown(rule("qkv", "\"**.query_key_value.weight\""), test::neox_like());
  CHECK(unknown.only("SWY-3101", "\"qkv\"").help.find("\"use\": \"element\"") != std::string::npos);
}

TEST_CASE("lint: a router under a gate rule, and gate_proj under a router rule") {
  const Linted router(rule("gates", "\"**.{gate,gate_proj}.weight\""), test::moe_like(false, "Experts"));
  CHECK(router.only("SWY-3102", "\"gates\"").help.find("model.layers.*.mlp.gate.weight") != std::string::npos);
  const Linted maps(
      rule("routers", "\"**.gate*.weight\"", "element") + ", " + rule("maps", "\"**.{up_proj,down_proj}.weight\""),
      test::moe_like(false, "Experts"));
  const auto& item = maps.only("SWY-3103", "\"routers\"");
  CHECK(item.subject == "model.layers.0.mlp.shared_expert.gate_proj.weight");
  CHECK(item.help.find("\"use\": \"matrix\"") != std::string::npos);
}

TEST_CASE("lint: convolutions that mix no channels or read the raw input") {
  const std::string view = R"(, "matrix": {"out": [0], "in": [1, 2, 3]})";
  Linted(rule("dw", "\"**.conv_dw.weight\"", "matrix", view), test::convnext_like()).only("SWY-3104", "\"dw\"");
  Linted(rule("stem", "\"stem.0.weight\"", "matrix", view), test::convnext_like()).only("SWY-3105", "\"stem\"");
  Linted(rule("groups", "\"layer1.*.conv2.weight\"", "matrix", view), test::resnext_like())
      .only("SWY-3104", "\"groups\"");
  CHECK(Linted(rule("down", "\"stages.*.downsample.1.weight\"", "matrix", view), test::convnext_like()).clean());
}

TEST_CASE("lint: single rows, stacked biases, adapters, tables of a recurrence") {
  Linted(rule("rows", "\"**.shared_expert_gate.weight\""), test::moe_like(false, "Experts"))
      .only("SWY-3106", "\"rows\"");
  Linted(rule("biases", "\"**.{gate_up,down}_proj_bias\""), test::moe_like(true, "Experts", "router", true))
      .only("SWY-3107", "\"biases\"");
  Linted(rule("lora", "\"**.lora_*.default.weight\""), test::lora_like()).only("SWY-3108", "\"lora\"");
  Linted(rule("grow", "\"**.v_proj.{grow,shrink}.weight\""), test::lora_like()).only("SWY-3108", "\"grow\"");
  Linted(rule("decay", "\"**.A_log\""), test::mamba_like()).only("SWY-3116", "\"decay\"");
}

TEST_CASE("lint: a batch that is none, a batch taken for one matrix, axes the wrong way round") {
  const Linted none(rule("maa", "\"**.time_maa_w2\"", "matrix", R"(, "matrix": {"batch": [0], "out": [1], "in": [2]})"),
                    test::rwkv_like());
  none.only("SWY-3109", "\"maa\"");
  const Linted one(rule("down", "\"**.experts.down_proj\"", "matrix", R"(, "matrix": {"out": [0, 1], "in": [2]})"),
                   test::moe_like(false, "Experts"));
  CHECK(one.only("SWY-3109", "\"down\"").help.find(R"("matrix": {"batch": [0], "out": [1], "in": [2]})") !=
        std::string::npos);
  const Linted turned(
      rule("down", "\"**.experts.down_proj\"", "matrix", R"(, "matrix": {"batch": [0], "out": [2], "in": [1]})"),
      test::moe_like(false, "Experts"));
  turned.only("SWY-3110", "\"down\"");
  const Linted conv1d(
      rule("fc", "\"transformer.h.*.mlp.*.weight\"", "matrix", R"(, "matrix": {"out": [0], "in": [1]})"),
      test::gpt2(2));
  CHECK(conv1d.only("SWY-3110", "\"fc\"").help.find(R"("matrix": {"out": [1], "in": [0]})") != std::string::npos);
  CHECK(Linted(rule("fc", "\"transformer.h.*.mlp.*.weight\""), test::gpt2(2)).clean());
}

TEST_CASE("lint: a transposed convolution is stored [in, out, kernel]") {
  const Linted turned(rule("up", "\"up.up.weight\"", "matrix", R"(, "matrix": {"out": [0], "in": [1, 2, 3]})"),
                      test::unet_like());
  CHECK(turned.only("SWY-3110", "\"up\"").help.find(R"("matrix": {"out": [1, 2, 3], "in": [0]})") != std::string::npos);
  CHECK(Linted(rule("up", "\"up.up.weight\"", "matrix", R"(, "matrix": {"out": [1, 2, 3], "in": [0]})"),
               test::unet_like())
            .clean());
}

TEST_CASE("lint: blocks far from square are a note") {
  const Linted s(rule("maps", "\"layers.*.map.weight\""), {test::parameter("layers.0.map.weight", {4, 1000}, "Linear"),
                                                           test::parameter("layers.1.map.weight", {4, 512}, "Linear")});
  CHECK(s.only("SWY-3111", "\"maps\"").severity == Severity::note);
}

TEST_CASE("lint: a factor that repeats the plugin's own scale") {
  const auto list = test::llama_like();
  // sqrt(176 / 64) = 1.6583
  const Linted s(rule("up", "\"**.up_proj.weight\"", "matrix", R"(, "set": {"lr_scale": 1.6583})"), list);
  CHECK(s.only("SWY-3112", "\"up\"").help.find("\"scale\": \"none\"") != std::string::npos);
  CHECK(Linted(rule("up", "\"**.up_proj.weight\"", "matrix", R"(, "set": {"lr_scale": 0.7})"), list).clean());
  CHECK(Linted(rule("up", "\"**.up_proj.weight\"", "matrix", R"(, "set": {"lr_scale": 1.6583, "scale": "none"})"), list)
            .clean());
}

TEST_CASE("lint: 8-bit state on a lookup table") {
  Linted(rule("embed", "\"model.embed_tokens.weight\"", "bytes"), test::llama_like()).only("SWY-3113", "\"embed\"");
  CHECK(Linted(rule("maps", "\"**.up_proj.weight\"", "bytes"), test::llama_like()).clean());
}

TEST_CASE("lint: layers.1 against layers.10") {
  const auto finds = [](const std::string& pattern) {
    return Linted(rule("one", dump_json(Json::string(pattern))), test::llama_like());
  };
  const auto slip = finds("model.layers.1*.mlp.up_proj.weight");
  CHECK(slip.only("SWY-3114", "\"model.layers.1*.mlp.up_proj.weight\"").help ==
        R"(write "model.layers.1.mlp.up_proj.weight")");
  const auto wide = finds("model.layers.1**_proj.weight");
  CHECK(wide.only("SWY-3114", "\"model.layers.1**_proj.weight\"").help == R"(write "model.layers.1.**_proj.weight")");
  CHECK(finds("model.layers.1.mlp.up_proj.weight").clean());
  CHECK(finds("model.layers.*.mlp.up_proj.weight").clean());
  CHECK(finds("model.layers.{1,10,11}.mlp.up_proj.weight").clean());
}
