// Mutations of good specs: every key and every reference misspelt, every value of another type, every required key
// deleted, every rule moved. One mutation is one primary finding (an error, or the warning of a shadowed rule) at the
// mutated place, and says what was meant. tests/plans/one_mistake.json has hand-picked ones; these are all of a kind.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "core/json.h"
#include "tests/support/good_specs.h"

using namespace switchyard;
using test::each_member;
using test::Good;
using test::good_specs;
using test::run;

namespace {

struct Mutation {
  std::string about;
  std::string text;
  std::size_t begin = 0;  ///< bytes of the mutated text where the finding may stand
  std::size_t end = 0;
  std::string meant;  ///< what the finding has to name; "" where nothing can be suggested
};

std::vector<const Diagnostic*> primary(const Diagnostics& diagnostics) {
  std::vector<const Diagnostic*> out;
  for (const auto& item : diagnostics.items()) {
    if (item.severity == Severity::error || item.code == "SWY-2002") out.push_back(&item);
  }
  return out;
}

Mutation replaced(const std::string& text, std::size_t offset, std::size_t length, const std::string& by) {
  Mutation out;
  out.text = text;
  out.text.replace(offset, length, by);
  out.begin = offset;
  out.end = offset + by.size();
  return out;
}

/// The four slips of a hand: two letters swapped, one lost, one doubled, one in the other case.
std::vector<std::string> misspelt(const std::string& word) {
  std::set<std::string> out;
  const auto middle = word.size() / 2;
  auto swapped = word;
  if (word.size() > 1) std::swap(swapped[middle - 1], swapped[middle]);
  out.insert(swapped);
  auto lost = word;
  if (word.size() > 2) lost.erase(middle, 1);
  out.insert(lost);
  out.insert(word.substr(0, middle) + word[middle] + word.substr(middle));
  auto other = word;
  other[0] = static_cast<char>(word[0] ^ 0x20);
  out.insert(other);
  out.erase(word);
  return {out.begin(), out.end()};
}

bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

/// Names that the user chooses.
bool is_own_name(const std::string& path) {
  const auto parent = path.substr(0, path.rfind('/'));
  return parent == "/optimizers" || parent == "/schedules";
}

std::vector<Mutation> renamed_keys(const std::string& text, const Json& json) {
  std::vector<Mutation> out;
  each_member(json, "", [&](const std::string& path, const Json::Member& member, const Json& object) {
    if (is_own_name(path)) return;
    for (const auto& wrong : misspelt(member.key)) {
      if (object.find(wrong) != nullptr) continue;
      auto mutation = replaced(text, member.key_offset, member.key_length, "\"" + wrong + "\"");
      mutation.about = path + " misspelt as " + wrong;
      mutation.meant = "`" + member.key + "`";
      out.push_back(std::move(mutation));
    }
  });
  return out;
}

std::vector<Mutation> renamed_values(const std::string& text, const Json& json) {
  std::vector<Mutation> out;
  each_member(json, "", [&](const std::string& path, const Json::Member& member, const Json&) {
    const auto parent = path.substr(0, path.rfind('/'));
    const bool reference = ends_with(path, "/use") || ends_with(path, "/plugin") || ends_with(path, "/kind") ||
                           ends_with(path, "/on_nonfinite") || ends_with(path, "/like") || path == "/fallback" ||
                           ends_with(path, "/options/scale") ||
                           (ends_with(path, "/shape") && parent != "" && parent.compare(0, 10, "/schedules") == 0) ||
                           ends_with(parent, "/schedules");
    if (!reference || is_own_name(path) || !member.value.is(Json::Kind::string)) return;
    const auto& word = member.value.as_string();
    for (const auto& wrong : misspelt(word)) {
      const auto span = member.value.span();
      auto mutation = replaced(text, span.offset, span.length, "\"" + wrong + "\"");
      mutation.about = path + ": " + wrong;
      mutation.meant = "`" + word + "`";
      out.push_back(std::move(mutation));
    }
  });
  return out;
}

std::vector<Mutation> retyped(const std::string& text, const Json& json) {
  std::vector<Mutation> out;
  each_member(json, "", [&](const std::string& path, const Json::Member& member, const Json&) {
    const auto span = member.value.span();
    for (const std::string other : {"null", "true", "[[]]", "{\"zzz\": 1}"}) {
      if (other == "true" && member.value.is(Json::Kind::boolean)) continue;
      if (other[0] == '{' && member.value.is(Json::Kind::object)) continue;
      auto mutation = replaced(text, span.offset, span.length, other);
      mutation.begin = member.key_offset;
      mutation.about = path + " is " + other;
      out.push_back(std::move(mutation));
    }
  });
  return out;
}

/// The text without a member, its comma included.
std::string without(const std::string& text, const Json::Member& member) {
  const auto span = member.value.span();
  auto begin = member.key_offset;
  auto end = span.offset + span.length;
  const auto next = text.find_first_not_of(" \n", end);
  if (text[next] == ',') {
    end = text.find_first_not_of(" \n", next + 1);
  } else {
    begin = text.find_last_of(',', begin);
  }
  return text.substr(0, begin) + text.substr(end);
}

std::vector<Mutation> deleted(const std::string& text, const Json& json) {
  static const std::vector<std::string> required = {"/switchyard",   "/optimizers",     "/rules",
                                                    "/fallback",     "/rules/*/id",     "/rules/*/match",
                                                    "/rules/*/use",  "/overrides/*/id", "/overrides/*/match",
                                                    "/sinks/*/kind", "/sinks/*/path",   "/overrides/*/set"};
  std::vector<Mutation> out;
  each_member(json, "", [&](const std::string& path, const Json::Member& member, const Json& object) {
    const bool alone = ends_with(path, "/kind") || ends_with(path, "/plugin") || ends_with(path, "/split/axis") ||
                       ends_with(path, "/split/parts") || ends_with(path, "/points");
    if (!alone && std::find(required.begin(), required.end(), path) == required.end()) return;
    if (object.size() == 1) return;
    Mutation mutation;
    mutation.text = without(text, member);
    mutation.begin = object.span().offset;
    mutation.end = object.span().offset + object.span().length;
    mutation.about = path + " deleted";
    mutation.meant = "`" + member.key + "`";
    out.push_back(std::move(mutation));
  });
  return out;
}

struct Score {
  int mutations = 0;
  int suggestions = 0;
  int right = 0;
};

void check(const std::vector<Mutation>& mutations, const Good& good, Score& score) {
  for (const auto& mutation : mutations) {
    const auto result = run(mutation.text, good.table);
    const auto rendered = render(result.diagnostics, {{"spec.json", mutation.text}});
    INFO(good.name, ", ", mutation.about, "\n", rendered);
    ++score.mutations;
    const auto found = primary(result.diagnostics);
    CHECK(found.size() == 1);
    if (found.size() != 1) continue;
    const auto& finding = *found.front();
    const auto line = [&](std::size_t offset) { return line_column(mutation.text, offset).line; };
    CHECK(finding.place.span.file == "spec.json");
    CHECK(line(finding.place.span.offset) >= line(mutation.begin));
    CHECK(line(finding.place.span.offset) <= line(mutation.end));
    if (mutation.meant.empty()) continue;
    ++score.suggestions;
    const bool right =
        finding.help.find(mutation.meant) != std::string::npos ||
        (ends_with(mutation.about, "deleted") && finding.message.find(mutation.meant) != std::string::npos);
    if (right) {
      ++score.right;
    } else {
      MESSAGE("no suggestion for ", good.name, ", ", mutation.about, ": ", finding.help);
    }
  }
}

using Make = std::vector<Mutation> (*)(const std::string&, const Json&);

void check_all(Make make, int at_least) {
  Score score;
  for (const auto& good : good_specs()) {
    REQUIRE(run(good.text, good.table).plan);
    Diagnostics none;
    const auto json = parse_json(good.text, "spec.json", none);
    REQUIRE(json);
    check(make(good.text, *json), good, score);
  }
  MESSAGE(score.mutations, " mutations; ", score.right, " of ", score.suggestions, " suggestions are right");
  CHECK(score.mutations >= at_least);
  CHECK(score.right * 10 >= score.suggestions * 9);
}

}  // namespace

TEST_CASE("mutations: a misspelt key is one error at the key, and the help names what was meant") {
  check_all(renamed_keys, 300);
}

TEST_CASE("mutations: a misspelt reference is one error at it, and the help names what was meant") {
  check_all(renamed_values, 80);
}

TEST_CASE("mutations: a value of another type is one error at the value") { check_all(retyped, 300); }

TEST_CASE("mutations: a deleted key that is required is one error in its object, which names it") {
  check_all(deleted, 40);
}

namespace {

/// Which rule takes each parameter, -1 for none; written as plainly as possible.
std::vector<int> winners(const Spec& spec, const ParameterTable& table, const std::vector<std::size_t>& order) {
  std::vector<int> out;
  for (const auto& info : table.parameters()) {
    const auto hits = pattern_hits(spec.patterns, info.names);
    const Subject subject{info, spec.patterns, hits};
    int winner = -1;
    for (const auto i : order) {
      const auto& rule = spec.rules[i];
      if (winner < 0 && holds(rule.match, subject) && !(rule.except && holds(*rule.except, subject)))
        winner = static_cast<int>(i);
    }
    out.push_back(winner);
  }
  return out;
}

std::string with_rules(const Json& json, const std::vector<std::size_t>& order) {
  auto out = Json::object();
  for (const auto& member : json.members()) {
    auto value = member.value;
    if (member.key == "rules") {
      value = Json::array();
      for (const auto i : order) value.push(member.value.items()[i]);
    }
    out.set(member.key, std::move(value));
  }
  return dump_json(out, 2);
}

}  // namespace

TEST_CASE("mutations: a moved rule shadows what it shadows, and changes the hashes only with the routes") {
  int shadows = 0;
  int harmless = 0;
  for (const auto& good : good_specs()) {
    Diagnostics none;
    const auto json = parse_json(good.text, "spec.json", none);
    const auto registry = test::registry();
    const auto spec = parse_spec(good.text, "spec.json", registry, none);
    REQUIRE(spec);
    const auto first = run(good.text, good.table);
    std::vector<std::size_t> in_order(spec->rules.size());
    for (std::size_t i = 0; i < in_order.size(); ++i) in_order[i] = i;
    const auto before = winners(*spec, good.table, in_order);
    for (std::size_t from = 0; from < in_order.size(); ++from) {
      for (std::size_t to = 0; to < in_order.size(); ++to) {
        if (from == to) continue;
        auto order = in_order;
        order.erase(order.begin() + static_cast<std::ptrdiff_t>(from));
        order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), from);
        const auto after = winners(*spec, good.table, order);
        const auto text = with_rules(*json, order);
        const auto result = run(text, good.table);
        INFO(good.name, ", rule ", spec->rules[from].id, " moved to ", to, "\n",
             render(result.diagnostics, {{"spec.json", text}}));
        std::set<std::string> idle;
        for (std::size_t i = 0; i < in_order.size(); ++i) {
          if (std::find(after.begin(), after.end(), static_cast<int>(i)) == after.end()) idle.insert(spec->rules[i].id);
        }
        std::set<std::string> reported;
        bool broken = false;
        for (const auto* finding : primary(result.diagnostics)) {
          broken = broken || finding->severity == Severity::error;
          if (finding->code != "SWY-2002") continue;
          for (const auto& rule : spec->rules) {
            if (finding->place.span.offset == text.find("\"" + rule.id + "\"")) reported.insert(rule.id);
          }
        }
        if (broken) continue;  // a view that does not fit the tensors that the rule now takes
        CHECK(reported == idle);
        shadows += idle.empty() ? 0 : 1;
        REQUIRE(result.plan);
        if (after != before) continue;
        ++harmless;
        CHECK(primary(result.diagnostics).empty());
        CHECK(result.plan->state_hash == first.plan->state_hash);
        CHECK(result.plan->plan_hash == first.plan->plan_hash);
      }
    }
  }
  MESSAGE(shadows, " moves shadow a rule, ", harmless, " change nothing");
  CHECK(shadows >= 5);
  CHECK(harmless >= 10);
}

TEST_CASE("mutations: a deleted rule leaves its parameters to others, or to one error at the fallback") {
  int unmatched = 0;
  for (const auto& good : good_specs()) {
    Diagnostics none;
    const auto json = parse_json(good.text, "spec.json", none);
    const auto registry = test::registry();
    const auto spec = parse_spec(good.text, "spec.json", registry, none);
    REQUIRE(spec);
    for (std::size_t gone = 0; gone < spec->rules.size(); ++gone) {
      std::vector<std::size_t> order;
      for (std::size_t i = 0; i < spec->rules.size(); ++i) {
        if (i != gone) order.push_back(i);
      }
      const auto left = winners(*spec, good.table, order);
      bool nobody = false;
      for (std::size_t i = 0; i < left.size(); ++i) nobody = nobody || (left[i] < 0 && good.table[i].requires_grad);
      const auto text = with_rules(*json, order);
      const auto result = run(text, good.table);
      INFO(good.name, " without rule ", spec->rules[gone].id, "\n", render(result.diagnostics, {{"spec.json", text}}));
      const auto found = primary(result.diagnostics);
      if (!nobody) continue;
      ++unmatched;
      REQUIRE(found.size() == 1);
      CHECK(found.front()->code == "SWY-2003");
      CHECK(line_column(text, found.front()->place.span.offset).line ==
            line_column(text, text.find("\"fallback\"")).line);
    }
  }
  CHECK(unmatched >= 5);
}

namespace {

Json reversed(const Json& value) {
  if (value.is(Json::Kind::array)) {
    auto out = Json::array();
    for (const auto& item : value.items()) out.push(reversed(item));
    return out;
  }
  if (!value.is(Json::Kind::object)) return value;
  auto out = Json::object();
  for (auto member = value.members().rbegin(); member != value.members().rend(); ++member)
    out.set(member->key, reversed(member->value));
  return out;
}

}  // namespace

TEST_CASE("mutations: what changes nothing finds nothing and keeps both hashes") {
  for (const auto& good : good_specs()) {
    Diagnostics none;
    const auto json = parse_json(good.text, "spec.json", none);
    const auto first = run(good.text, good.table);
    auto noted = good.text;
    for (auto at = noted.find("\"use\""); at != std::string::npos; at = noted.find("\"use\"", at)) {
      if (noted.rfind("\"note\"", at) == std::string::npos || noted.rfind("\"note\"", at) < noted.rfind("\"id\"", at)) {
        const std::string note = "\"note\": \"why \\\"not\\\"\", ";
        // A rule may have a note behind `use`; then it keeps that one.
        const auto end = noted.find("\"id\"", at);
        if (noted.substr(at, end - at).find("\"note\"") == std::string::npos) {
          noted.insert(at, note);
          at += note.size();
        }
      }
      at += 5;
    }
    REQUIRE(noted != good.text);
    auto spaced = good.text;
    for (std::size_t at = spaced.find('\n'); at != std::string::npos; at = spaced.find('\n', at + 4))
      spaced.replace(at, 1, " \t\r\n");
    for (const auto& text : {dump_json(*json, 0), dump_json(reversed(*json), 2), noted, spaced}) {
      const auto result = run(text, good.table);
      INFO(good.name, "\n", render(result.diagnostics, {{"spec.json", text}}));
      REQUIRE(result.plan);
      CHECK(primary(result.diagnostics).empty());
      CHECK(result.diagnostics.items().size() == first.diagnostics.items().size());
      CHECK(result.plan->state_hash == first.plan->state_hash);
      CHECK(result.plan->plan_hash == first.plan->plan_hash);
    }
  }
}
