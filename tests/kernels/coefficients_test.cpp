#include "kernels/coefficients.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace switchyard::kernels;

namespace {

struct Range {
  double low = 1e300, high = -1e300;
};

Range range_of(const std::vector<Coefficients>& rows, double from) {
  Range range;
  for (int i = 0; i <= 20000; ++i) {
    const double y = evaluate(rows, std::exp(std::log(from) * (1 - i / 20000.0)));
    range.low = std::min(range.low, y);
    range.high = std::max(range.high, y);
  }
  return range;
}

}  // namespace

TEST_CASE("coefficients: slopes and ranges are those of the table in muon.md 4.3 and 4.4") {
  struct Row {
    const char* name;
    int steps;
    double slope, from, low, high;
  };
  for (const Row& row : std::vector<Row>{{"jordan", 5, 485, 1e-3, .471, 1.202},
                                         {"you5", 5, 493, 1e-3, .475, 1.145},
                                         {"you6", 6, 1140, 1e-3, .866, .999},
                                         {"pe_raw", 5, 1026, 1e-3, .876, 1.124},
                                         {"polar_express", 5, 976, 1e-3, .846, 1.124},
                                         {"polar_express", 8, 6360, 1e-3, 1.0, 1.0},
                                         {"polar_express_105", 5, 804, 1e-3, .729, 1.124},
                                         {"mod", 5, 989, 1e-3, .859, 1.141},
                                         {"cans", 5, 1049, 1e-3, .884, 1.120},
                                         {"aol_old", 4, 104, 1e-3, -1.084, 1.084},
                                         {"aol_new", 4, 147, 1e-3, .147, 1.050},
                                         {"cubic5", 5, 119, 1e-3, .119, 1.300},
                                         {"simple12", 12, 4096, 1e-3, 1.0, 1.0},
                                         {"deepseekv4", 10, 7.9e4, 1e-3, 1.0, 1.0005},
                                         {"tight5", 5, 532, 5e-3, .9909, 1.0091},
                                         {"tight5s", 5, 499, 5e-3, .984, 1.016},
                                         {"flat5", 5, 395, 5e-3, .9990, 1.0010},
                                         {"fast4", 4, 145, 1e-2, .980, 1.020}}) {
    CAPTURE(row.name);
    const auto rows = coefficient_set(row.name, row.steps);
    double slope = 1;
    for (const Coefficients& r : rows) slope *= r.a;
    CHECK(slope == doctest::Approx(row.slope).epsilon(6e-3));  // three digits are printed
    const Range range = range_of(rows, row.from);
    CHECK(range.low == doctest::Approx(row.low).epsilon(2e-3));
    CHECK(range.high == doctest::Approx(row.high).epsilon(2e-3));
  }
}

// Covers H22.
TEST_CASE("coefficients: the validator's verdicts at every delta") {
  const std::set<std::string> sign{"aol_old", "cubic5"};
  const std::set<std::string> unsafe{"aol_old", "cubic5", "pe_raw", "cans"};
  const std::set<std::string> within_101{"polar_express", "polar_express8", "pe_repo", "pe_eo"};
  const std::set<std::string> within_105{"jordan",  "you5",     "you6",       "polar_express_105", "tight5s",
                                         "aol_new", "simple12", "deepseekv4", "taylor3",           "taylor5"};
  std::map<std::string, std::vector<Coefficients>> all;
  for (const std::string& name : coefficient_set_names()) all[name] = coefficient_set(name);
  all["polar_express8"] = coefficient_set("polar_express", 8);
  for (const auto& [name, rows] : all) {
    CAPTURE(name);
    CHECK(check_coefficients(rows, 0).empty() == (name != "aol_old"));
    for (const double delta : {.005, .01}) CHECK(check_coefficients(rows, delta).empty() == !unsafe.contains(name));
    CHECK(check_coefficients(rows, .02).empty() == !(unsafe.contains(name) || within_101.contains(name)));
    CHECK(check_coefficients(rows, .05).empty() == within_105.contains(name));
    const std::string why = check_coefficients(rows, .01);
    if (sign.contains(name)) CHECK(why.find("sign") != std::string::npos);
    if (unsafe.contains(name) && !sign.contains(name)) CHECK(why.find("sign") == std::string::npos);
    if (const CoefficientSet* set = find_coefficient_set(name)) CHECK(set->unsafe == unsafe.contains(name));
  }
}

TEST_CASE("coefficients: the last row repeats and fewer steps are a prefix") {
  const auto jordan = coefficient_set("jordan", 7);
  CHECK(jordan.size() == 7);
  CHECK(std::all_of(jordan.begin(), jordan.end(), [](const Coefficients& r) {
    return r == Coefficients{3.4445, -4.7750, 2.0315};
  }));
  const auto you = coefficient_set("you5", 5);
  CHECK((coefficient_set("you5", 2) == std::vector<Coefficients>(you.begin(), you.begin() + 2)));
  CHECK((coefficient_set("you5", 7)[6] == you[4]));
  CHECK(
      (coefficient_set("polar_express", 9)[8] == Coefficients{1.875, -1.25, 0.375}));  // the closing row is not scaled
  CHECK(coefficient_set("polar_express", 1)[0].b ==
        doctest::Approx(-23.595886519098837 / (1.01 * 1.01 * 1.01)).epsilon(1e-15));
  CHECK((coefficient_set("dion") == you));
  CHECK(coefficient_set("deepseekv4").size() == 10);
}

TEST_CASE("coefficients: names are unique and misuse is refused") {
  const auto names = coefficient_set_names();
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
  CHECK(find_coefficient_set("nosuch") == nullptr);
  CHECK_THROWS_AS((void)coefficient_set("nosuch"), std::invalid_argument);
  CHECK_THROWS_AS((void)coefficient_set("jordan", -1), std::invalid_argument);
  CHECK_THROWS_AS((void)check_coefficients({}, 0.01), std::invalid_argument);
  CHECK_THROWS_AS((void)check_coefficients(coefficient_set("jordan"), -0.1), std::invalid_argument);
  CHECK_FALSE(check_coefficients(std::vector<Coefficients>{{NAN, 0, 0}}, 0).empty());
  CHECK_FALSE(check_coefficients(std::vector<Coefficients>{{3, 0, 0}}, 0).empty());
}
