#include "rules/lint_names.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "rules/codes.h"
#include "rules/presets.h"
#include "tests/support/byte_state.h"

using namespace switchyard;

namespace {

std::string rule(const std::string& id, const std::string& match, const std::string& use,
                 const std::string& more = "") {
  return R"({"id": ")" + id + R"(", "match": {)" + match + R"(}, "use": ")" + use + "\"" + more + "}";
}
std::string named(const std::string& id, const std::string& name, const std::string& use,
                  const std::string& more = "") {
  return rule(id, R"("name": ")" + name + "\"", use, more);
}

/// "code rule" of every finding.
std::string found(const std::string& rules, const std::string& more = "") {
  const auto text = R"({"switchyard": 1, "optimizers": {"matrix": {"plugin": "muon", "lr": 0.02},
    "element": {"plugin": "adamw", "lr": 0.001}, "bytes": {"plugin": "adamw8bit", "lr": 0.001}}, "rules": [)" +
                    rules + R"(], "fallback": "element")" + more + "}";
  const auto registry = test::registry_with_bytes();
  Diagnostics diagnostics;
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
  const auto lints = lint_names(*spec, registry);
  const auto shown = render(lints, {{"s.json", text}});
  CAPTURE(shown);
  std::string out;
  for (const auto& item : lints.items()) {
    CHECK(item.severity == Severity::warning);
    CHECK_FALSE(item.help.empty());
    CHECK(item.place.span.file == "s.json");
    out += (out.empty() ? "" : ", ") + item.code + (item.subject.empty() ? "" : " " + item.subject);
  }
  return out;
}

}  // namespace

TEST_CASE("lint by name: embeddings and heads on a matrix optimizer, embeddings in 8 bits") {
  CHECK(found(named("a", "**.embed_tokens.weight", "matrix")) == "SWY-3100 a");
  CHECK(found(named("a", "{lm_head,score}.weight", "matrix")) == "SWY-3100 a");
  CHECK(found(rule("a", R"("module": "Embedding")", "matrix")) == "SWY-3100 a");
  CHECK(found(rule("a", R"("module": ["Linear", "EmbeddingBag"])", "bytes")) == "SWY-3113 a");
  CHECK(found(named("a", "transformer.wte.*", "bytes")) == "SWY-3113 a");
  CHECK(found(named("a", "**.embed_tokens.weight", "element")).empty());
  CHECK(found(named("a", "**.embed_proj.weight", "matrix")).empty());
  CHECK(found(named("a", "**.patch_embed.proj.weight", "matrix")).empty());
  CHECK(found(named("a", "**", "matrix", R"(, "except": {"name": "**.embed_tokens.weight"})")).empty());
}

TEST_CASE("lint by name: fused tensors without a split, adapters") {
  CHECK(found(named("a", "**.attn.qkv.weight", "matrix")) == "SWY-3101 a");
  CHECK(found(named("a", "transformer.h.*.attn.c_attn.weight", "matrix")) == "SWY-3101 a");
  CHECK(found(named("a", "**.mlp.gate_up_proj.weight", "matrix")) == "SWY-3101 a");
  CHECK(found(named("a", "**.attn.qkv.weight", "matrix", R"(, "matrix": {"split": {"axis": 0, "parts": 3}})")).empty());
  CHECK(found(named("a", "**.{q_proj,k_proj,v_proj}.weight", "matrix")).empty());
  CHECK(found(named("a", "**.lora_A.**", "matrix")) == "SWY-3108 a");
}

TEST_CASE("lint by name: patterns that take a router and gate_proj alike") {
  CHECK(found(named("a", "**.gate*.weight", "element")) == "SWY-3103 a");
  CHECK(found(named("a", "**.*gate*.weight", "matrix")) == "SWY-3103 a");
  CHECK(found(named("a", "**.{gate,gate_proj}.weight", "element")) == "SWY-3103 a");
  CHECK(found(named("a", "**.gate.weight", "element")).empty());
  CHECK(found(named("a", "**.gate_proj.weight", "matrix")).empty());
}

TEST_CASE("lint by name: layers.1 against layers.10, in overrides too") {
  CHECK(found(named("a", "model.layers.1*.mlp.up.weight", "matrix")) == "SWY-3114");
  CHECK(found(named("a", "model.layers.1**", "matrix")) == "SWY-3114");
  CHECK(found("", R"(, "overrides": [{"id": "o", "match": {"name": "h.3*.**"}, "set": {"lr_scale": 0.5}}])") ==
        "SWY-3114");
  CHECK(found(named("a", "model.layers.1.*.weight", "matrix")).empty());
  CHECK(found(named("a", "model.layers.{1,10}.*.weight", "matrix")).empty());
}

TEST_CASE("lint by name: a rule that an earlier one leaves nothing") {
  CHECK(found(named("a", "**", "element") + "," + rule("b", R"("ndim": 2)", "matrix")) == "SWY-2002");
  CHECK(found(named("a", "x.*", "element") + "," + rule("b", R"("name": "x.*", "ndim": 2)", "matrix")) == "SWY-2002");
  CHECK(found(rule("a", R"("name": "x.*", "ndim": 1)", "element") + "," + named("b", "x.*", "matrix")).empty());
  CHECK(found(named("a", "**", "element", R"(, "except": {"ndim": 2})") + "," + named("b", "x.*", "matrix")).empty());
  CHECK(found(named("a", "**", "element", R"(, "disabled": true)") + "," + named("b", "x.*", "matrix")).empty());
}

TEST_CASE("lint by name: expressions and disabled rules are left alone, presets are clean") {
  CHECK(found(named("a", "re:.*embed_tokens\\\\.weight", "matrix")).empty());
  CHECK(found(named("a", "**.embed_tokens.weight", "matrix", R"(, "disabled": true)")).empty());
  for (const auto& preset : presets()) {
    CAPTURE(preset.first);
    Diagnostics diagnostics;
    const auto registry = test::registry_with_bytes();
    const auto spec = parse_spec(preset.second, "p.json", registry, diagnostics);
    REQUIRE(spec);
    const auto lints = lint_names(*spec, registry);
    CHECK_MESSAGE(lints.empty(), render(lints, {{"p.json", std::string(preset.second)}}));
  }
}

TEST_CASE("lint by name: every lint is run by name, by model, or says so") {
  for (const auto* list : {&lints_by_name(), &lints_by_model()}) {
    CHECK(std::is_sorted(list->begin(), list->end()));
    for (const auto& code : *list) CHECK_FALSE(meaning_of(code).empty());
  }
  for (const auto& info : diagnostic_codes) {
    const std::string code = info.code;
    if (code < "SWY-3100" || code > "SWY-3149") continue;
    const auto count = [&](const std::vector<std::string>& list) { return std::count(list.begin(), list.end(), code); };
    CHECK_MESSAGE(count(lints_by_name()) + count(lints_by_model()) == 1, code);
  }
}
