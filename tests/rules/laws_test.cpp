// Laws of planning on random models and specs: what order means, and what it does not.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "rules/planner.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

constexpr int parts = 6;

std::vector<ParameterInfo> random_model(std::mt19937& random) {
  std::vector<ParameterInfo> out;
  for (int part = 0; part < parts; ++part) {
    const auto layers = 1 + random() % 3;
    for (std::size_t layer = 0; layer < layers; ++layer) {
      const auto prefix = "part" + std::to_string(part) + "." + std::to_string(layer) + ".";
      const auto d = static_cast<std::int64_t>(4 + 4 * (random() % 3));
      out.push_back(test::parameter(prefix + "weight", {d, 8}, "Linear"));
      if (random() % 3 == 0) out.back().names.push_back(prefix + "alias");
      out.push_back(test::parameter(prefix + "bias", {d}, "Linear"));
      if (random() % 4 == 0) out.back().requires_grad = false;
    }
  }
  return out;
}

/// Rules as texts: by part and by rank, some of a part alone, some over several parts.
std::vector<std::string> random_rules(std::mt19937& random) {
  const std::vector<std::string> names = {"part0.**",  "part1.*.weight", "part{1,2}.**", "re:part[3-5]\\\\..*",
                                          "part*.0.*", "**.bias",        "part4.**",     "**"};
  std::vector<std::string> out;
  const auto count = 2 + random() % 6;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& name = names[random() % names.size()];
    const bool matrices = random() % 2 == 0;
    const auto use = std::string(matrices ? (random() % 2 == 0 ? "m" : "n") : (random() % 4 == 0 ? "freeze" : "a"));
    out.push_back(R"({"id": "r)" + std::to_string(i) + R"(", "optional": true, "match": {"name": ")" + name +
                  R"(", "ndim": )" +
                  (matrices            ? "2"
                   : random() % 2 == 0 ? "1"
                                       : "\">=1\"") +
                  R"(}, "use": ")" + use + "\"" +
                  (use != "freeze" && random() % 3 == 0 ? R"(, "set": {"lr_scale": 0.5})" : "") + "}");
  }
  return out;
}

std::string spec_of(const std::vector<std::string>& rules, const std::vector<std::string>& overrides) {
  const auto list = [](const std::vector<std::string>& items) {
    std::string out;
    for (const auto& item : items) out += (out.empty() ? "" : ", ") + item;
    return "[" + out + "]";
  };
  return R"({"switchyard": 1, "optimizers": {"m": {"plugin": "muon", "lr": 0.1}, "n": {"plugin": "muon", "lr": 0.1,
    "options": {"ns_steps": 6}}, "a": {"plugin": "adamw", "lr": 0.01, "options": {"weight_decay": 0.1}}}, "rules": )" +
         list(rules) + R"(, "overrides": )" + list(overrides) + R"(, "fallback": "a"})";
}

const std::vector<std::string> factors = {
    R"({"id": "x", "optional": true, "match": {"name": "part1.**"}, "set": {"lr_scale": 0.3}})",
    R"({"id": "y", "optional": true, "match": {"ndim": 1}, "set": {"lr_scale": 0.7, "wd_scale": 0.5}})",
    R"({"id": "z", "optional": true, "match": {"name": "**.weight"}, "set": {"lr_scale": 1.1}})"};

struct Hashes {
  std::string state;
  std::string plan;
};

/// No plan (a view that does not fit, say) is an answer too, and must not depend on order either.
std::optional<Hashes> hashes(const std::string& text, const std::vector<ParameterInfo>& model) {
  static const auto registry = test::registry();
  Diagnostics diagnostics;
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
  const auto plan = make_plan(*spec, test::table(model), registry, diagnostics);
  if (!plan) return std::nullopt;
  return Hashes{plan->state_hash, plan->plan_hash};
}

void check_same(const std::optional<Hashes>& a, const std::optional<Hashes>& b) {
  REQUIRE(a.has_value() == b.has_value());
  if (!a) return;
  REQUIRE(a->state == b->state);
  REQUIRE(a->plan == b->plan);
}

/// Parameters that a rule alone would match.
std::set<std::string> matched(const std::string& rule, const std::vector<ParameterInfo>& model) {
  const auto registry = test::registry();
  const auto text = spec_of({rule}, {});
  Diagnostics diagnostics;
  const auto spec = parse_spec(text, "s.json", registry, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", text}}));
  std::set<std::string> out;
  for (const auto& info : model) {
    const auto hits = pattern_hits(spec->patterns, info.names);
    if (holds(spec->rules.front().match, {info, spec->patterns, hits})) out.insert(info.key());
  }
  return out;
}

unsigned seed() {
  const unsigned out = doctest::getContextOptions()->rand_seed;
  MESSAGE("seed ", out);
  return out;
}

}  // namespace

// Covers R45, P29, T8.
TEST_CASE("laws: the order of parameters, of their names and of overrides that only scale is in no hash") {
  std::mt19937 random(seed());
  int planned = 0;
  for (int trial = 0; trial < 250; ++trial) {
    auto model = random_model(random);
    const auto rules = random_rules(random);
    auto overrides = factors;
    const auto first = hashes(spec_of(rules, overrides), model);
    planned += first ? 1 : 0;
    for (int again = 0; again < 2; ++again) {
      std::shuffle(model.begin(), model.end(), random);
      for (auto& info : model) std::shuffle(info.names.begin(), info.names.end(), random);
      check_same(hashes(spec_of(rules, overrides), model), first);
      std::shuffle(overrides.begin(), overrides.end(), random);
      check_same(hashes(spec_of(rules, overrides), model), first);
    }
  }
  CHECK(planned >= 150);
}

TEST_CASE("laws: two neighbouring rules that share no parameter may change places") {
  std::mt19937 random(seed());
  int swapped = 0;
  for (int trial = 0; trial < 250; ++trial) {
    const auto model = random_model(random);
    auto rules = random_rules(random);
    const auto first = hashes(spec_of(rules, factors), model);
    for (std::size_t i = 0; i + 1 < rules.size(); ++i) {
      const auto a = matched(rules[i], model);
      const auto b = matched(rules[i + 1], model);
      if (std::any_of(a.begin(), a.end(), [&](const auto& name) { return b.count(name) > 0; })) continue;
      std::swap(rules[i], rules[i + 1]);
      check_same(hashes(spec_of(rules, factors), model), first);
      ++swapped;
    }
  }
  MESSAGE(swapped, " swaps");
  CHECK(swapped >= 150);
}

TEST_CASE("laws: a rule behind one that takes everything changes nothing, and before it may change all") {
  std::mt19937 random(seed());
  int changed = 0;
  for (int trial = 0; trial < 100; ++trial) {
    const auto model = random_model(random);
    const std::string all = R"({"id": "all", "match": {"name": "**"}, "use": "a"})";
    auto rules = random_rules(random);
    const auto alone = hashes(spec_of({all}, {}), model);
    REQUIRE(alone);
    rules.insert(rules.begin(), all);
    check_same(hashes(spec_of(rules, {}), model), alone);
    std::rotate(rules.begin(), rules.begin() + 1, rules.end());
    const auto last = hashes(spec_of(rules, {}), model);
    changed += last && last->plan != alone->plan ? 1 : 0;
  }
  CHECK(changed >= 40);
}
