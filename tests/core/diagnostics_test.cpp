#include "core/diagnostics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace switchyard;

namespace {

/// Optimal string alignment straight from its recursive definition: the oracle.
std::size_t slow_distance(const std::string& a, const std::string& b, std::size_t i, std::size_t j,
                          std::map<std::pair<std::size_t, std::size_t>, std::size_t>& memo) {
  if (i == 0) return j;
  if (j == 0) return i;
  const auto key = std::pair(i, j);
  if (const auto found = memo.find(key); found != memo.end()) return found->second;
  auto best = std::min({slow_distance(a, b, i - 1, j, memo) + 1, slow_distance(a, b, i, j - 1, memo) + 1,
                        slow_distance(a, b, i - 1, j - 1, memo) + (a[i - 1] == b[j - 1] ? 0 : 1)});
  if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
    best = std::min(best, slow_distance(a, b, i - 2, j - 2, memo) + 1);
  }
  return memo[key] = best;
}

std::size_t slow_distance(const std::string& a, const std::string& b) {
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> memo;
  return slow_distance(a, b, a.size(), b.size(), memo);
}

std::string random_word(std::mt19937& random, std::size_t longest) {
  std::string word(random() % (longest + 1), ' ');
  for (auto& c : word) c = static_cast<char>('a' + random() % 3);
  return word;
}

}  // namespace

TEST_CASE("diagnostics: the edit distance is optimal string alignment") {
  std::mt19937 random(doctest::getContextOptions()->rand_seed);
  for (int trial = 0; trial < 3000; ++trial) {
    const auto a = random_word(random, 8);
    const auto b = random_word(random, 8);
    CAPTURE(a);
    CAPTURE(b);
    REQUIRE(edit_distance(a, b) == slow_distance(a, b));
    REQUIRE(edit_distance(a, b) == edit_distance(b, a));
  }
  // The known difference to the unrestricted Damerau distance, which would be 2.
  CHECK(edit_distance("ca", "abc") == 3);
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("momentun", "momentum") == 1);
  CHECK(edit_distance("optimzer", "optimizer") == 1);
}

TEST_CASE("diagnostics: suggestions") {
  const std::vector<std::string> names = {"momentum", "nesterov", "weight_decay", "lr", "lr_scale"};
  CHECK(nearest("momentun", names) == "momentum");
  CHECK(nearest("Weight-Decay", names) == "weight_decay");  // equal after folding
  CHECK(nearest("wieght_decay", names) == "weight_decay");  // one transposition
  CHECK(nearest("learning_rate", names).empty());
  CHECK(nearest("rl", names) == "lr");
  CHECK(nearest("xy", names).empty());  // distance 2, and 1 is allowed
  CHECK(nearest("", names).empty());
  CHECK(nearest("anything", {}).empty());
  SUBCASE("a tie goes to the first") {
    CHECK(nearest("cat", {"bat", "hat"}) == "bat");
    CHECK(nearest("cat", {"hat", "bat"}) == "hat");
  }
  SUBCASE("a name of a megabyte costs nothing") {
    const std::string huge(1 << 20, 'x');
    CHECK(nearest(huge, {huge + "y", "lr"}).empty());
    CHECK(nearest("lr", {huge, "lr_"}) == "lr_");
  }
}

TEST_CASE("diagnostics: line and column of every offset") {
  const std::string text = "ab\n\ncd\r\ne";
  int line = 1;
  int column = 1;
  for (std::size_t offset = 0; offset <= text.size(); ++offset) {
    const auto at = line_column(text, offset);
    CHECK(at.line == line);
    CHECK(at.column == column);
    if (offset < text.size() && text[offset] == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  CHECK(line_column(text, 1000).line == 4);
  CHECK(line_column("", 0).line == 1);
}

TEST_CASE("diagnostics: the rendered form") {
  const Sources sources = {{"a.json", "{\n  \"lr\": 1,\n  \"lr\": 2\n}\n"}};
  Diagnostics diagnostics;
  auto& finding = diagnostics.error("SWY-1003", "duplicate key `lr`", {{"a.json", 14, 4}, "/lr"});
  finding.label = "defined again";
  finding.related.push_back({"first defined here", {{"a.json", 4, 4}, ""}});
  finding.help = "remove one";
  finding.notes.push_back("the first is kept");
  CHECK(render(diagnostics, sources) ==
        "error[SWY-1003]: duplicate key `lr`\n"
        "  --> a.json:3:2\n"
        "   |\n"
        " 3 |   \"lr\": 2\n"
        "   |  ^^^^ defined again\n"
        "  ::: a.json:2:3\n"
        "   |\n"
        " 2 |   \"lr\": 1,\n"
        "   |   ---- first defined here\n"
        "   at /lr\n"
        "   help: remove one\n"
        "   note: the first is kept\n");
}

TEST_CASE("diagnostics: what has no place, or no source, is rendered without an excerpt") {
  Diagnostics diagnostics;
  diagnostics.warning("SWY-2002", "a rule wins nothing");
  diagnostics.note("SWY-9", "somewhere", {{"gone.json", 7, 1}, ""});
  CHECK(render(diagnostics, {}) ==
        "warning[SWY-2002]: a rule wins nothing\n\nnote[SWY-9]: somewhere\n  --> gone.json\n");
  CHECK(render_location({}, {}).empty());
}

TEST_CASE("diagnostics: offsets at and past the end, long lines and control characters do no harm") {
  std::string text(5000, 'x');
  text[10] = '\x1b';
  text += "\n";
  const Sources sources = {{"long.json", text}, {"empty.json", ""}};
  for (const auto& file : {"long.json", "empty.json"}) {
    for (const std::size_t offset : {0, 1, 50, 2500, 4999, 5000, 5001, 9999}) {
      for (const std::size_t length : {0, 1, 100, 100000}) {
        Diagnostics diagnostics;
        diagnostics.error("SWY-1", "m", {{file, offset, length}, ""}).label = "here";
        const auto out = render(diagnostics, sources);
        CHECK(out.find('^') != std::string::npos);
        CHECK(out.find('\x1b') == std::string::npos);
        CHECK(out.size() < 600);
      }
    }
  }
}

TEST_CASE("diagnostics: at most the limit is shown, and the rest is counted") {
  Diagnostics diagnostics;
  for (int i = 0; i < 60; ++i) diagnostics.error("SWY-1", "finding " + std::to_string(i));
  const auto out = render(diagnostics, {}, 50);
  CHECK(out.find("finding 49") != std::string::npos);
  CHECK(out.find("finding 50") == std::string::npos);
  CHECK(out.find("... and 10 more findings") != std::string::npos);
}

TEST_CASE("diagnostics: sorting is by place, stable, and puts what has no place last") {
  Diagnostics diagnostics;
  diagnostics.error("A", "", {});
  diagnostics.error("B", "", {{"b", 5, 1}, ""});
  diagnostics.error("C", "", {{"a", 9, 1}, ""});
  diagnostics.error("D", "", {{"b", 5, 1}, ""});
  diagnostics.error("E", "", {{"b", 1, 1}, ""});
  diagnostics.sort();
  std::string order;
  for (const auto& item : diagnostics.items()) order += item.code;
  CHECK(order == "CEBDA");
}

TEST_CASE("diagnostics: severities are counted, and an error carries everything") {
  Diagnostics diagnostics;
  CHECK(diagnostics.empty());
  diagnostics.note("N", "");
  diagnostics.warning("W", "");
  CHECK_FALSE(diagnostics.has_errors());
  Diagnostics more;
  more.error("E", "broken");
  diagnostics.append(more);
  CHECK(diagnostics.has_errors());
  CHECK(diagnostics.count(Severity::note) == 1);
  CHECK(diagnostics.count(Severity::warning) == 1);
  const SpecError error(diagnostics, {});
  CHECK(std::string(error.what()).find("error[E]: broken") != std::string::npos);
  CHECK(error.diagnostics().items().size() == 3);
}
