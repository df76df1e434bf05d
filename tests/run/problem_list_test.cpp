#include "core/run/problem_list.h"

#include <doctest/doctest.h>

using namespace switchyard;

TEST_CASE("problems: those of one cause are one line, with the first name and how many more") {
  ProblemList problems;
  CHECK(problems.empty());
  for (int i = 0; i < 37; ++i) problems.add("`p" + std::to_string(i) + "`", "is float32, expected float64");
  problems.add("`q`", "is missing");
  problems.add("`r`", "is missing");
  CHECK((problems.lines() ==
         std::vector<std::string>{"`p0` and 36 more: is float32, expected float64", "`q`, `r`: is missing"}));
  CHECK(problems.text() == "\n  `p0` and 36 more: is float32, expected float64\n  `q`, `r`: is missing");
}

TEST_CASE("problems: texts with details of their own can have one cause, and the first is shown") {
  ProblemList problems;
  problems.add("`a`", "wants [2, 3]", "wants state");
  problems.add("`b`", "wants [4]", "wants state");
  CHECK((problems.lines() == std::vector<std::string>{"`a`, `b`: wants [2, 3]"}));
}

TEST_CASE("problems: of many causes the last line says how many there are") {
  ProblemList problems;
  for (int i = 0; i < 70; ++i) problems.add("`p`", "problem " + std::to_string(i));
  const auto lines = problems.lines();
  REQUIRE(lines.size() == 51);
  CHECK(lines[49] == "`p`: problem 49");
  CHECK(lines[50] == "and 20 more of other causes");
}
