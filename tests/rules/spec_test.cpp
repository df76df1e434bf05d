#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "rules/codes.h"
#include "rules/spec.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

const std::string good = R"({
  "switchyard": 1,
  "schedules": {"main": {"kind": "wsd", "warmup": 10, "decay": "20%", "shape": "sqrt", "total": 1000}},
  "optimizers": {
    "hidden": {"plugin": "muon", "lr": 0.02, "options": {"momentum": 0.9}, "schedules": {"lr": "main"}},
    "slow": {"like": "hidden", "lr": 0.01, "options": {"ns_steps": 6}}},
  "rules": [
    {"id": "a", "match": {"name": ["a.*", "b.*"], "ndim": ">=2"}, "use": "hidden", "note": "why"},
    {"id": "b", "match": {"ndim": 2}, "use": "slow"}],
  "fallback": "freeze"
})";

std::optional<Spec> parse(std::string_view text, Diagnostics& diagnostics) {
  return parse_spec(text, "s.json", test::registry(), diagnostics);
}

}  // namespace

TEST_CASE("spec: values, defaults and what `like` inherits") {
  Diagnostics diagnostics;
  const auto spec = parse(good, diagnostics);
  REQUIRE_MESSAGE(spec, render(diagnostics, {{"s.json", good}}));
  CHECK(diagnostics.empty());
  const auto* slow = spec->find_optimizer("slow");
  REQUIRE(slow != nullptr);
  CHECK(slow->plugin == "muon");
  CHECK(slow->base(spec->base_lr) == 0.01);
  CHECK(std::get<double>(*find_option(slow->options, "momentum")) == 0.9);
  CHECK(std::get<std::int64_t>(*find_option(slow->options, "ns_steps")) == 6);
  CHECK(std::get<bool>(*find_option(slow->options, "nesterov")));
  CHECK(slow->given == std::vector<std::string>{"momentum", "ns_steps"});
  CHECK(slow->schedules == std::vector<std::pair<std::string, std::string>>{{"lr", "main"}});
  const auto& schedule = spec->schedules.front().schedule;
  CHECK(schedule.decay == 200);
  CHECK(schedule.total == 1000);
  CHECK(spec->rules[0].note == "why");
  CHECK(spec->rules[0].match.names.size() == 2);
}

TEST_CASE("spec: a good spec cut anywhere is an error and never more than that") {
  for (std::size_t length = 0; length < good.size(); ++length) {
    Diagnostics diagnostics;
    const auto spec = parse(std::string_view(good).substr(0, length), diagnostics);
    REQUIRE_FALSE(spec);
    REQUIRE(diagnostics.count(Severity::error) == 1);
  }
}

TEST_CASE("spec: any byte replaced by any of a few others is read or reported") {
  const auto registry = test::registry();
  int reported = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char byte : {'"', '{', '}', '0', '-', 'x', '$', '\\', '\0', '\xFF', ' '}) {
      auto text = good;
      text[at] = byte;
      Diagnostics diagnostics;
      const auto spec = parse_spec(text, "s.json", registry, diagnostics);
      REQUIRE(spec.has_value() != diagnostics.has_errors());
      for (const auto& item : diagnostics.items()) {
        REQUIRE_MESSAGE(!meaning_of(item.code).empty(), item.code);
        REQUIRE(item.place.span.offset <= text.size());
        REQUIRE(item.place.span.file == "s.json");
        ++reported;
      }
      render(diagnostics, {{"s.json", text}});
    }
  }
  CHECK(reported > 1000);
}

TEST_CASE("spec: whatever is not an object is refused by its kind") {
  for (const char* text : {"", "   ", "[]", "\"x\"", "null", "1", "{}", "\xEF\xBB\xBF{}", "\xFF\xFE{", "{} {}"}) {
    Diagnostics diagnostics;
    CHECK_FALSE(parse(text, diagnostics));
    CHECK(diagnostics.has_errors());
  }
  Diagnostics diagnostics;
  CHECK_FALSE(parse("{}", diagnostics));
  std::set<std::string> codes;
  for (const auto& item : diagnostics.items()) codes.insert(item.message);
  CHECK(codes.size() == 4);  // switchyard, optimizers, rules, fallback
}

// Covers J33, J63.
TEST_CASE("spec: depth and size do not end the program") {
  for (const auto& text : {std::string(100'000, '['), "{\"rules\":" + std::string(100'000, '[')}) {
    Diagnostics diagnostics;
    CHECK_FALSE(parse(text, diagnostics));
    CHECK(diagnostics.count(Severity::error) == 1);
  }
  std::string wide = "{";
  for (int i = 0; i < 50'000; ++i) wide += "\"k" + std::to_string(i) + "\":1,";
  wide += "\"" + std::string(1 << 20, 'k') + "\":1}";
  Diagnostics diagnostics;
  CHECK_FALSE(parse(wide, diagnostics));
  CHECK(diagnostics.count(Severity::error) == 50'001 + 4);
  for (const auto& item : diagnostics.items()) REQUIRE(item.message.size() < 300);
}

TEST_CASE("spec: a long chain of `like` is refused before the stack ends") {
  std::string text = R"({"switchyard": 1, "rules": [], "fallback": "error", "optimizers": {)";
  for (int i = 0; i < 900; ++i)
    text += "\"o" + std::to_string(i) + "\": {\"like\": \"o" + std::to_string(i + 1) + "\"},";
  text += R"("o900": {"plugin": "muon", "lr": 1}}})";
  Diagnostics diagnostics;
  CHECK_FALSE(parse(text, diagnostics));
  CHECK(diagnostics.items().front().code == "SWY-1021");
}

TEST_CASE("spec: all mistakes of a file are reported in one run, in the order of the text") {
  auto text = good;
  const auto replace = [&](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("\"kind\": \"wsd\"", "\"kind\": \"wsdd\"");
  replace("\"momentum\": 0.9", "\"momentun\": 0.9");
  replace("\"use\": \"slow\"", "\"use\": \"slwo\"");
  replace("\"fallback\": \"freeze\"", "\"fallback\": true");
  Diagnostics diagnostics;
  CHECK_FALSE(parse(text, diagnostics));
  std::vector<std::string> codes;
  for (const auto& item : diagnostics.items()) codes.push_back(item.code);
  CHECK(codes == std::vector<std::string>{"SWY-1013", "SWY-1101", "SWY-1016", "SWY-1010"});
}

TEST_CASE("spec: a message about a pattern points into the string, behind escapes too") {
  auto text = good;
  text.replace(text.find("a.*"), 3, "\\u0061\\u00e9.[z-b]");
  Diagnostics diagnostics;
  CHECK_FALSE(parse(text, diagnostics));
  REQUIRE(diagnostics.items().size() == 1);
  const auto& item = diagnostics.items().front();
  CHECK(item.place.span.offset == text.find("z-b"));
  CHECK(item.place.span.length == 3);
}

TEST_CASE("spec: numbers are what they say") {
  for (const auto& change : std::vector<std::pair<std::string, std::string>>{
           {"0.02", "-0.0"}, {"0.02", "1e38"}, {"0.02", "1e-45"}, {"0.02", "1"}}) {
    const auto& from = change.first;
    const auto& to = change.second;
    auto text = good;
    text.replace(text.find(from), from.size(), to);
    Diagnostics diagnostics;
    const auto spec = parse(text, diagnostics);
    REQUIRE_MESSAGE(spec, to);
    CHECK_FALSE(std::signbit(*spec->find_optimizer("hidden")->lr));
  }
}

TEST_CASE("spec: the examples are specs that this build reads") {
  for (const char* name : {"gpt2_muon", "llama_muon", "adamw"}) {
    std::ifstream file(std::string(SWITCHYARD_SOURCE_DIR "/examples/specs/") + name + ".json");
    std::ostringstream text;
    text << file.rdbuf();
    Diagnostics diagnostics;
    CHECK_MESSAGE(parse(text.str(), diagnostics), render(diagnostics, {{"s.json", text.str()}}));
    CHECK(diagnostics.empty());
  }
}

TEST_CASE("codes: every one is listed once, in order") {
  std::string last;
  for (const auto& info : diagnostic_codes) {
    CHECK(last < std::string(info.code));
    last = info.code;
  }
  CHECK(meaning_of("SWY-9999").empty());
}
