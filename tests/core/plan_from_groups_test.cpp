#include "core/plan_from_groups.h"

#include <doctest/doctest.h>

#include <limits>

#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

/// `x` is a vector, `conv` has four axes, `w` and `v` are one matrix.
std::vector<ParameterInfo> model() {
  auto tied = test::parameter("w", {6, 4});
  tied.names.push_back("v");
  return {tied, test::parameter("x", {4}), test::parameter("conv", {6, 4, 3, 3})};
}

struct Result {
  std::optional<Plan> plan;
  Diagnostics found;
};

Result planned(const std::vector<ParameterGroup>& groups, double base_lr = 0.1,
               std::vector<ParameterInfo> entries = model()) {
  Result out;
  out.plan = plan_from_groups(groups, base_lr, test::table(std::move(entries)), test::registry(), out.found);
  CHECK(out.plan.has_value() != out.found.has_errors());
  return out;
}

Diagnostics findings(const std::vector<ParameterGroup>& groups, double base_lr = 0.1,
                     std::vector<ParameterInfo> entries = model()) {
  return planned(groups, base_lr, std::move(entries)).found;
}

ParameterGroup all(std::string plugin = "adamw") {
  return {.id = "g", .plugin = std::move(plugin), .parameters = {"w", "x", "conv"}};
}

void check_one(const Diagnostics& found, const std::string& code, const std::vector<std::string>& parts) {
  INFO(render(found, {}));
  REQUIRE(found.items().size() == 1);
  CHECK(found.items()[0].code == code);
  for (const auto& part : parts) {
    CAPTURE(part);
    CHECK((found.items()[0].message + "\n" + found.items()[0].help).find(part) != std::string::npos);
  }
}

ParameterGroup with_view(const MatrixView& view) {
  return {.id = "m", .plugin = "muon", .parameters = {"w", "conv"}, .views = {{"conv", view}}};
}

const ParameterGroup rest = {.id = "rest", .plugin = "adamw", .parameters = {"x"}};

}  // namespace

// Covers P6.
TEST_CASE("groups: one tensor in two groups is an error that names both, under any of its names") {
  CHECK(findings({all()}).empty());
  check_one(findings({all(), {.id = "b", .plugin = "adamw", .parameters = {"v", "w"}}}), "SWY-2202",
            {"`w`", "`g`", "`b`"});
  auto viewed = with_view({{2, 3}, {0}, {1}});  // a view of a tensor that two groups list is not one mistake more
  check_one(findings({all(), {.id = "b", .plugin = "muon", .parameters = {"conv"}, .views = viewed.views}}), "SWY-2202",
            {"`conv`"});
}

TEST_CASE("groups: a name that no tensor has is an error, with the nearest") {
  auto group = all();
  group.parameters.push_back("comv");
  check_one(findings({group}), "SWY-2201", {"group `g`", "`comv`", "did you mean `conv`?"});
  auto viewed = all("adamw");
  viewed.views.emplace("nothing_like_it", MatrixView{{}, {0}, {1}});
  check_one(findings({viewed}), "SWY-2201", {"`nothing_like_it`", "known: w, v, x, conv"});
}

TEST_CASE("groups: every parameter has a group, every group an id of its own and parameters") {
  check_one(findings({{.id = "g", .plugin = "adamw", .parameters = {"w", "x"}}}), "SWY-2003", {"1 parameter is"});
  check_one(findings({all(), {.id = "none", .plugin = "sgd"}}), "SWY-2008", {"`none`"});
  const auto twice = findings({all(), {.id = "g", .plugin = "sgd", .parameters = {"nil"}}});
  CHECK(twice.count(Severity::error) == 2);
  CHECK(twice.items()[0].code == "SWY-1015");
  for (const auto* word : {"freeze", "error", "fallback"}) {
    auto group = all();
    group.id = word;
    check_one(findings({group}), "SWY-1013", {word});
  }
  auto nameless = all();
  nameless.id = "";
  check_one(findings({nameless}), "SWY-1019", {"group 0"});
}

TEST_CASE("groups: plugins, options and rates are checked as a spec's are") {
  check_one(findings({all("adanw")}), "SWY-1017", {"`adanw`", "did you mean `adamw`?"});
  auto group = all();
  group.options = {{"bettas", 0.5}};
  check_one(findings({group}), "SWY-1101", {"`bettas`", "did you mean `betas`?"});
  group.options = {{"eps", -1.0}};
  check_one(findings({group}), "SWY-1102", {"`eps` is -1"});
  auto sgd = all("sgd");
  sgd.options = {{"nesterov", true}};
  check_one(findings({sgd}), "SWY-1103", {"nesterov"});
  group.options = {{"eps", 1e-6}, {"eps", 1e-7}};
  check_one(findings({group}), "SWY-1015", {"`eps` is given twice"});
  group.options = {};
  for (const double bad : {-0.5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    group.lr_scale = bad;
    check_one(findings({group}), "SWY-1102", {"lr_scale"});
    check_one(findings({all()}, bad), "SWY-1102", {"base_lr"});
  }
  group.lr_scale = 1e300;
  check_one(findings({group}, 1e300), "SWY-1102", {"beyond a double"});
}

TEST_CASE("groups: schedules are checked as a spec's are") {
  using Kind = Schedule::Kind;
  const auto scheduled = [](const std::string& target, const Schedule& schedule) {
    auto group = all();
    group.schedules = {{target, schedule}};
    return findings({group});
  };
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(scheduled("lr", {.kind = Kind::cosine, .warmup = 5, .total = 10}).empty());
  CHECK(scheduled("weight_decay", {.peak = 0.1}).empty());
  check_one(scheduled("lr", {.peak = 0.02}), "SWY-1105", {"peak 1"});
  check_one(scheduled("weight_decay", {.peak = -1}), "SWY-1105", {"`weight_decay`", ">= 0"});
  check_one(scheduled("lr", {.peak = nan}), "SWY-1110", {"finite"});
  check_one(scheduled("lr", {.kind = Kind::linear, .warmup = 9, .total = 5}), "SWY-1110", {"warmup 9", "total 5"});
  const auto most = std::numeric_limits<std::int64_t>::max();
  check_one(scheduled("lr", {.kind = Kind::wsd, .warmup = most, .total = most, .decay = most}), "SWY-1110", {"longer"});
  check_one(scheduled("lr", {.kind = Kind::wsd, .warmup = -1, .total = 5}), "SWY-1110", {"negative"});
  check_one(scheduled("lr", {.kind = Kind::piecewise}), "SWY-1110", {"no points"});
  check_one(scheduled("lr", {.kind = Kind::piecewise, .points = {{3, 1}, {3, 0}}}), "SWY-1110", {"3 follows 3"});
  check_one(scheduled("lr", {.kind = Kind::piecewise, .points = {{3, nan}}}), "SWY-1110", {"finite"});
  check_one(scheduled("lr", {.kind = Kind::cosine}), "SWY-1110", {"no total"});
  check_one(scheduled("lr", {.floor = 0.1}), "SWY-1110", {"`floor` means nothing to a schedule of kind constant"});
  check_one(scheduled("lr", {.warmup = 1, .total = 5}), "SWY-1110", {"`total` means nothing"});
  check_one(scheduled("lr", {.kind = Kind::cosine, .total = 5, .decay = 2}), "SWY-1110", {"`decay` means nothing"});
  check_one(scheduled("lr", {.kind = Kind::piecewise, .warmup = 3, .points = {{0, 1}}}), "SWY-1110", {"`warmup`"});
  check_one(scheduled("amsgrad", {}), "SWY-1104", {"`amsgrad`", "can be scheduled: lr"});
  check_one(scheduled("weight_decai", {}), "SWY-1101", {"`weight_decai`", "did you mean `weight_decay`?"});
  auto twice = all();
  twice.schedules = {{"lr", {}}, {"lr", {}}};
  check_one(findings({twice}), "SWY-1015", {"two schedules"});
}

TEST_CASE("groups: a matrix plugin needs axes with roles that fit") {
  CHECK(findings({with_view({{2, 3}, {0}, {1}}), rest}).empty());
  CHECK(findings({with_view({{}, {0}, {1, 2, 3}, 0, {{"a", {0, 2, 3, 2}}, {"b", {2, 1, 3, 2}}}, 0, 1}), rest}).empty());
  auto blind = with_view({});
  blind.views.clear();
  check_one(findings({blind, rest}), "SWY-2021", {"`conv` [6, 4, 3, 3]"});
  check_one(findings({with_view({{}, {0}, {1, 2, 3}}), {.id = "r", .plugin = "muon", .parameters = {"x"}}}), "SWY-2022",
            {"`x`"});
  auto elements = rest;
  // Views of element-wise plugins are for constraints and monitors, and are checked like any.
  elements.views = {{"x", MatrixView{{}, {0}, {1}}}};
  check_one(findings({with_view({{2, 3}, {0}, {1}}), elements}), "SWY-2203", {"`x`"});
  auto foreign = with_view({{2, 3}, {0}, {1}});
  foreign.views.emplace("x", MatrixView{{}, {0}, {}});
  check_one(findings({foreign, rest}), "SWY-2201", {"`x`, which is not in it"});
  auto both = with_view({{2, 3}, {0}, {1}});
  both.views.emplace("w", MatrixView{{}, {0}, {1}});
  both.views.emplace("v", MatrixView{{}, {1}, {0}});
  check_one(findings({both, rest}), "SWY-2203", {"two views"});
}

TEST_CASE("groups: a view that does not fit says why") {
  const auto says = [](const MatrixView& view, const std::string& why) {
    check_one(findings({with_view(view), rest}), "SWY-2203", {"`conv` [6, 4, 3, 3]", why});
  };
  says({{}, {0}, {1, 2}}, "axis 3 has no role");
  says({{2, 3}, {0}, {1, 0}}, "axis 0 has 2 roles");
  says({{2, 3}, {0}, {4}}, "axis 4 does not exist");
  says({{}, {0, 1, 2, 3}, {}}, "no axis is in");
  says({{}, {}, {0, 1, 2, 3}}, "no axis is out");
  says({{2, 3}, {-1}, {1}}, "axis -1 does not exist");
  const auto split = [](int axis, std::vector<SplitPart> parts) {
    return MatrixView{{2, 3}, {0}, {1}, axis, std::move(parts)};
  };
  says(split(0, {}), "a split needs an axis and parts");
  says(split(-1, {{"a", {0, 6}}}), "a split needs an axis and parts");
  says(split(2, {{"a", {0, 3}}}), "axis 2, no out or in axis");
  says(split(0, {{"a", {0, 3}}, {"b", {3, 2}}}), "no part holds index 5");
  says(split(0, {{"a", {0, 2}}, {"b", {3, 3}}}), "no part holds index 2");
  says(split(0, {{"a", {0, 3}}, {"b", {2, 3}}}), "two parts hold index 2");
  says(split(0, {{"a", {0, 6}}, {"b", {0, 6}}}), "more than the 6 indices");
  says(split(0, {{"a", {4, 3}}}), "part `a` does not lie inside");
  says(split(0, {{"a", {0, 2, 3, 3}}}), "part `a` does not lie inside");
  says(split(0, {{"a", {0, 2, 1, 2}}}), "the runs of part `a` overlap");
  says(split(0, {{"a", {0, 6}}, {"b", {6, 0}}}), "part `b` is empty");
  says(split(0, {{"a", {0, 3}}, {"a", {3, 3}}}), "two parts are called `a`");
  says(split(0, {{"", {0, 3}}, {"a", {3, 3}}}), "the name `` of a part");
  says(split(0, {{"a/b0", {0, 6}}}), "the name `a/b0` of a part");
  const auto most = std::numeric_limits<std::int64_t>::max();
  says(split(0, {{"a", {most, most, most, most}}}), "part `a` does not lie inside");
  says(split(0, {{"a", {0, 1, most, most}}}), "part `a` does not lie inside");
  says({{2, 3}, {0}, {1}, -1, {}, 0, 4}, "heads of 4 do not divide the 6 indices");
  says({{2, 3}, {0}, {1}, -1, {}, 0, 0}, "a head has 0 indices");
  says({{2, 3}, {0}, {1}, -1, {}, 3, 1}, "heads cut axis 3");
  says({{2, 3}, {0}, {1}, 0, {{"a", {0, 4}}, {"b", {4, 2}}}, 0, 4},
       "heads of 4 do not divide the 2 indices of part `b`");
}

TEST_CASE("groups: all mistakes are reported together") {
  const auto found = findings({{.id = "a", .plugin = "muno", .parameters = {"w", "nil"}},
                               {.id = "b", .plugin = "adamw", .parameters = {"v"}, .options = {{"eps", -1.0}}}},
                              -1);
  std::vector<std::string> codes;
  for (const auto& item : found.items()) codes.push_back(item.code);
  CHECK(codes == std::vector<std::string>{"SWY-1102", "SWY-1017", "SWY-2201", "SWY-1102", "SWY-2202", "SWY-2003"});
}

TEST_CASE("groups: what they say is what is planned") {
  const Schedule cosine{.kind = Schedule::Kind::cosine, .warmup = 5, .total = 10};
  auto matrices = with_view({{2, 3}, {0}, {1}});
  matrices.views.emplace("v", MatrixView{{}, {1}, {0}});
  matrices.views.emplace("w", MatrixView{{}, {1}, {0}});  // the same under its other name
  matrices.lr_scale = 0.5;
  matrices.schedules = {{"lr", cosine}};
  auto vectors = rest;
  vectors.options = {{"eps", 1e-6}};
  const auto result = planned({matrices, vectors}, 0.1);
  REQUIRE_MESSAGE(result.plan, render(result.found, {}));
  const auto& plan = *result.plan;
  CHECK(result.found.empty());
  const auto* w = plan.find("w");
  REQUIRE(w != nullptr);
  CHECK(w->optimizer == "m");
  CHECK(w->factors.lr() == doctest::Approx(0.05).epsilon(1e-15));
  REQUIRE(w->parts.size() == 1);
  CHECK(w->parts[0].out == 4);
  CHECK(w->parts[0].in == 6);
  const auto* conv = plan.find("conv");
  REQUIRE(conv->parts.size() == 1);
  CHECK(conv->parts[0].out == 6);
  CHECK(conv->parts[0].in == 4);
  CHECK(conv->parts[0].count == 9);
  CHECK(std::get<double>(*find_option(plan.find("x")->settings, "eps")) == 1e-6);
  REQUIRE(plan.groups.size() == 2);
  CHECK(plan.groups[0].schedules == std::vector<std::pair<std::string, Schedule>>{{"lr", cosine}});
  CHECK(plan.groups[0].lr_scale == 0.5);
}

TEST_CASE("groups: frozen tensors need no group, and a group of nothing else is noted") {
  auto entries = model();
  entries[1].requires_grad = false;
  CHECK(findings({{.id = "g", .plugin = "adamw", .parameters = {"w", "conv"}}}, 0.1, entries).empty());
  const auto noted = findings({{.id = "g", .plugin = "adamw", .parameters = {"w", "conv"}}, rest}, 0.1, entries);
  check_one(noted, "SWY-2005", {"`rest`", "only frozen"});
  CHECK(noted.items()[0].severity == Severity::note);
  entries[1].requires_grad = true;
  entries[1].dtype = Dtype::other;
  entries[1].dtype_name = "int64";
  check_one(findings({all()}, 0.1, entries), "SWY-2007", {"`x` is int64"});
}

TEST_CASE("groups: long lists are cut") {
  std::vector<ParameterInfo> entries;
  std::vector<std::string> names;
  for (int i = 0; i < 50; ++i) {
    entries.push_back(test::parameter("layer." + std::to_string(i), {4}));
    names.push_back("lair." + std::to_string(i));
  }
  const auto homeless = findings({}, 0.1, entries);
  check_one(homeless, "SWY-2003", {"50 parameters are in no group"});
  CHECK(homeless.items()[0].notes.size() == 21);
  CHECK(homeless.items()[0].notes.back() == "and 30 more");
  const auto unknown = findings({{.id = "g", .plugin = "adamw", .parameters = names}}, 0.1, entries);
  CHECK(unknown.count(Severity::error) == 51);
  CHECK_FALSE(unknown.items()[19].help.empty());
  CHECK(unknown.items()[20].help.empty());
}
