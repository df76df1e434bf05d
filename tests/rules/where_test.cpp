#include "rules/where.h"

#include <doctest/doctest.h>

#include <random>

#include "rules/where_parser.h"

using namespace switchyard;

namespace {

std::shared_ptr<const Where> compile(const std::string& text, WhereError& error) {
  return Where::compile(
      text, [](std::string_view name) { return name == "n" ? std::optional<double>(12) : std::nullopt; }, error);
}

bool holds(const std::string& text, const std::vector<std::int64_t>& shape, const std::string& module = "",
           std::optional<std::int64_t> layer = {}) {
  WhereError error;
  const auto where = compile(text, error);
  REQUIRE_MESSAGE(where, text << ": " << error.message);
  return where->holds({shape, module, layer});
}

}  // namespace

TEST_CASE("where: names, operators and their precedence") {
  CHECK(holds("ndim == 2 and rows == 8 && cols == 4", {8, 4}));
  CHECK(holds("rows == 8 or cols == 9 and cols == 10", {8, 4}));
  CHECK_FALSE(holds("(rows == 8 or cols == 9) and cols == 10", {8, 4}));
  CHECK(holds("not rows == 7 and cols == 4", {8, 4}));
  CHECK(holds("1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 8 / 4 / 2 == 1 and 1 - 2 - 3 == -4", {1}));
  CHECK(holds("numel >= 1e1 and numel < .5e3 and numel != 31", {8, 4}));
  CHECK(holds("aspect == 2", {8, 4}));
  CHECK(holds("aspect == 2", {4, 8}));
  CHECK(holds("min(rows, cols, 3) == 3 and max(rows, cols) == 8 and sqrt(16) == 4 and abs(-2) == 2", {4, 8}));
  CHECK(holds("size(2) == 5 and ndim == 3", {1, 2, 5}));
  CHECK(holds("numel == $n", {3, 4}));
  CHECK(holds("layer >= 3", {1}, "", 3));
  CHECK_FALSE(holds("layer >= 3", {1}, "", 2));
}

TEST_CASE("where: fans follow layouts that are known, and nothing else") {
  CHECK(holds("fan_out == 8 and fan_in == 4", {8, 4}, "Linear"));
  CHECK(holds("fan_out == 4 and fan_in == 8", {8, 4}, "Conv1D"));
  CHECK(holds("fan_out == 8 * 9 and fan_in == 4 * 9", {8, 4, 3, 3}, "Conv2d"));
  CHECK_FALSE(holds("fan_out > 0", {8, 4, 3, 3}, "Experts"));
  CHECK_FALSE(holds("fan_out > 0", {8}, "Linear"));
  CHECK_FALSE(holds("rows > 0", {8, 4, 3}, "Linear"));
}

TEST_CASE("where: something unknown never decides") {
  for (const char* text :
       {"rows > 0", "not rows > 0", "not (rows > 0)", "rows == rows", "1 / 0 == 1 / 0", "sqrt(-1) == 0", "layer < 3",
        "size(9) >= 0", "aspect > 0 and ndim == 1", "1e300 * 1e300 > 0"}) {
    CHECK_MESSAGE(!holds(text, {8}), text);
  }
  CHECK(holds("rows > 0 or ndim == 1", {8}));
  CHECK(holds("ndim == 1 or rows > 0", {8}));
  CHECK(holds("not (rows > 0 and ndim == 2)", {8}));
  CHECK_FALSE(holds("aspect >= 1", {0, 4}));
}

TEST_CASE("where: the order of operands and doubled negation change nothing") {
  const unsigned seed = 11;
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const char* leaves[] = {"rows > 3", "ndim == 2", "cols <= 4", "layer == 1", "numel < 20", "aspect > 2", "1 / 0 > 1"};
  int kept = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    const auto pick = [&] { return std::string(leaves[random() % 7]); };
    const auto a = pick();
    const auto b = pick();
    const auto c = pick();
    std::vector<std::int64_t> shape;
    for (unsigned i = 0; i < random() % 4; ++i) shape.push_back(static_cast<std::int64_t>(random() % 9));
    const std::optional<std::int64_t> layer =
        random() % 2 == 0 ? std::nullopt : std::optional<std::int64_t>(random() % 3);
    const auto is = [&](const std::string& text) { return holds(text, shape, "", layer); };
    const auto one = is(a + " or " + b + " and not " + c);
    kept += one ? 1 : 0;
    REQUIRE(one == is("not " + c + " and " + b + " or " + a));
    REQUIRE(one == is("not not (" + a + " or (" + b + " and not " + c + "))"));
    REQUIRE(one == is("not (not " + a + " and not (" + b + " and not " + c + "))"));
  }
  CHECK(kept > 200);
  CHECK(kept < 1800);
}

TEST_CASE("where: every mistake names its bytes") {
  struct Mistake {
    const char* text;
    const char* at;
    const char* says;
    const char* help = "";
  };
  const Mistake mistakes[] = {{"rows > ", " ", "ends where a number"},
                              {"aspct > 3", "aspct", "unknown name `aspct`", "did you mean `aspect`?"},
                              {"rows = 3", "=", "expected the end", "write =="},
                              {"rows", "rows", "must be a condition", "numel > 0"},
                              {"1 < rows < 3", "< 3", "do not chain", "write `1 < rows and rows < ...`"},
                              {"rows and cols > 1", "rows", "each side of `and` must be a condition"},
                              {"(rows > 1) + 2 > 3", "(rows > 1)", "`+` works on numbers"},
                              {"not rows", "rows", "what `not` negates"},
                              {"min(rows) > 1", ") >", "takes two or more"},
                              {"size(rows) > 1", "rows", "number of an axis"},
                              {"size(1.5) > 1", "1.5", "number of an axis"},
                              {"sqrt rows > 1", "rows", "`(` after `sqrt`"},
                              {"(rows > 1", "1", "ends where `)`"},
                              {"rows > 1)", ")", "expected the end"},
                              {"rows % 2 == 0", "%", "no meaning", "+ - * /"},
                              {"rows > 3x", "3", "not a number"},
                              {"rows > 1e999", "1e999", "not a number"},
                              {"rows > $m", "$m", "no number of `vars`"},
                              {"rows > $", "$", "needs the name"},
                              {"rows > \xC3\xA9", "\xC3\xA9", "no meaning"},
                              {"and", "and", "expected a number"},
                              {"", "", "empty"},
                              {"   ", " ", "empty"}};
  for (const auto& mistake : mistakes) {
    INFO(mistake.text);
    WhereError error;
    const std::string text = mistake.text;
    REQUIRE_FALSE(compile(text, error));
    CHECK_MESSAGE(error.message.find(mistake.says) != std::string::npos, error.message);
    CHECK_MESSAGE(error.help.find(mistake.help) != std::string::npos, error.help);
    CHECK_MESSAGE(text.compare(error.offset, std::string(mistake.at).size(), mistake.at) == 0, error.offset);
    CHECK(error.length >= 1);
  }
}

TEST_CASE("where: length and depth are bounded") {
  WhereError error;
  const auto nested = [](std::size_t n) { return std::string(n, '(') + "rows > 1" + std::string(n, ')'); };
  CHECK(compile(nested(50), error));
  CHECK_FALSE(compile(nested(60), error));
  CHECK(error.message.find("levels of nesting") != std::string::npos);
  CHECK_FALSE(compile(std::string(400, '!') + "rows > 1", error));
  CHECK_FALSE(compile(std::string(400, '-') + "1 > 1", error));
  std::string chain = "rows > 1";
  while (chain.size() < 980) chain += " or rows > 1";
  CHECK(compile(chain, error));
  CHECK_FALSE(compile(chain + chain, error));
  CHECK(error.message.find("more than 1000") != std::string::npos);
}

TEST_CASE("where: text that ends at any depth is refused with a place inside it") {
  for (const char* opening : {"(", "!", "-", "not ", "min(", "abs(", "1 + ", "rows > 1 and "}) {
    std::string text;
    for (int depth = 1; depth < 70; ++depth) {
      text += opening;
      CAPTURE(text);
      WhereError error;
      REQUIRE_FALSE(compile(text, error));
      REQUIRE(error.offset + error.length <= text.size());
    }
  }
}

TEST_CASE("where: any text is compiled or refused with a place inside it") {
  const unsigned seed = 5;
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const char* pieces[] = {"rows", " and ", " or ", "not ", "(",    ")",     "1", "2.5", " > ",  "==", "+",
                          "*",    "-",     "$n",   ",",    "min(", "size(", "$", "e",   "\xFF", " "};
  int good = 0;
  for (int trial = 0; trial < 20'000; ++trial) {
    std::string text;
    for (unsigned i = 0; i < 1 + random() % 9; ++i) text += pieces[random() % 21];
    WhereError error;
    const auto where = compile(text, error);
    if (where) {
      ++good;
      where->holds({{3, 4}, "", std::nullopt});
    } else {
      REQUIRE_FALSE(error.message.empty());
      REQUIRE(error.offset < text.size());
      REQUIRE(error.offset + error.length <= text.size());
    }
  }
  CHECK(good > 20);
}

TEST_CASE("where: values are shown once, unknown ones as such") {
  WhereError error;
  const auto where = compile("rows > 3 and rows < 5 or size(1) == 2 or layer == 1", error);
  REQUIRE(where);
  const std::vector<std::int64_t> shape = {8};
  CHECK(where->values({shape, "", std::nullopt}) == "rows unknown, size(1) unknown, layer unknown");
  const std::vector<std::int64_t> matrix = {4, 2};
  CHECK(where->values({matrix, "", 1}) == "rows 4, size(1) 2, layer 1");
  CHECK(where->looks_at_layers());
}
