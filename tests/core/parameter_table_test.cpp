#include "core/parameter_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

using namespace switchyard;

namespace {

ParameterInfo parameter(std::string name, std::vector<std::int64_t> shape) {
  ParameterInfo info;
  info.names = {std::move(name)};
  info.shape = std::move(shape);
  return info;
}

ParameterInfo view(std::string name, std::vector<std::int64_t> shape, std::int64_t offset,
                   std::vector<std::int64_t> strides, std::string storage = "s") {
  auto info = parameter(std::move(name), std::move(shape));
  info.storage = StorageInfo{std::move(storage), offset, std::move(strides)};
  return info;
}

std::string codes(const Diagnostics& diagnostics) {
  std::string out;
  for (const auto& item : diagnostics.items()) out += (out.empty() ? "" : " ") + item.code;
  return out;
}

}  // namespace

TEST_CASE("parameter table: one tensor under several names is one entry") {
  Diagnostics diagnostics;
  const auto table =
      ParameterTable::build({view("wte.weight", {10, 4}, 0, {4, 1}), parameter("x", {3}),
                             view("lm_head.weight", {10, 4}, 0, {4, 1}), view("a", {10, 4}, 0, {4, 1}, "other")},
                            diagnostics);
  CHECK(diagnostics.empty());
  REQUIRE(table.size() == 3);
  CHECK(table[0].names == std::vector<std::string>{"wte.weight", "lm_head.weight"});
  CHECK(table[0].name() == "wte.weight");
  CHECK(table[0].key() == "lm_head.weight");
  CHECK(table[0].tied());
  CHECK(table.find("lm_head.weight") == &table[0]);
  CHECK(table.find("nothing") == nullptr);
  CHECK(table.numel() == 40 + 3 + 40);
  CHECK(table.name_count() == 4);
}

TEST_CASE("parameter table: empty tensors are never tied") {
  Diagnostics diagnostics;
  const auto table = ParameterTable::build({view("a", {0, 4}, 0, {4, 1}), view("b", {0, 4}, 0, {4, 1})}, diagnostics);
  CHECK(diagnostics.empty());
  CHECK(table.size() == 2);
}

TEST_CASE("parameter table: views of one storage without a common element are separate, others are an error") {
  const auto build = [](ParameterInfo a, ParameterInfo b) {
    Diagnostics diagnostics;
    const auto table = ParameterTable::build({std::move(a), std::move(b)}, diagnostics);
    return codes(diagnostics);
  };
  CHECK(build(view("a", {10}, 0, {1}), view("b", {10}, 10, {1})).empty());           // neighbours in a flat buffer
  CHECK(build(view("a", {10}, 0, {1}), view("b", {10}, 9, {1})) == "SWY-2103");      // one common element
  CHECK(build(view("a", {4, 2}, 0, {4, 1}), view("b", {4, 2}, 2, {4, 1})).empty());  // the two halves of the columns
  CHECK(build(view("a", {4, 3}, 0, {4, 1}), view("b", {4, 2}, 2, {4, 1})) == "SWY-2103");
  CHECK(build(view("a", {4, 4}, 0, {4, 1}), view("b", {4, 4}, 0, {1, 4})) == "SWY-2103");  // the transpose
  CHECK(build(view("a", {5}, 0, {2}), view("b", {5}, 1, {2})).empty());                    // even and odd
}

TEST_CASE("parameter table: overlap agrees with sets of positions") {
  std::mt19937 random(doctest::getContextOptions()->rand_seed);
  const auto positions = [](const ParameterInfo& info) {
    std::set<std::int64_t> out;
    for (std::int64_t i = 0; i < info.shape[0]; ++i) {
      for (std::int64_t j = 0; j < info.shape[1]; ++j) {
        out.insert(info.storage->offset + i * info.storage->strides[0] + j * info.storage->strides[1]);
      }
    }
    return out;
  };
  const auto draw = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<unsigned>(n)); };
  int overlapping = 0;
  int folds = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    const auto random_view = [&](const char* name) {
      return view(name, {1 + draw(4), 1 + draw(4)}, draw(12), {1 + draw(6), 1 + draw(6)});
    };
    const auto a = random_view("a");
    const auto b = random_view("b");
    const auto same =
        a.storage->offset == b.storage->offset && a.shape == b.shape && a.storage->strides == b.storage->strides;
    const auto in_a = positions(a);
    const auto in_b = positions(b);
    const bool common = std::any_of(in_b.begin(), in_b.end(), [&](auto p) { return in_a.count(p) > 0; });
    const auto folded = [](const ParameterInfo& info, const std::set<std::int64_t>& own) {
      return static_cast<std::int64_t>(own.size()) < info.numel();
    };
    const int alone = (folded(a, in_a) ? 1 : 0) + (folded(b, in_b) ? 1 : 0);
    Diagnostics diagnostics;
    const auto table = ParameterTable::build({a, b}, diagnostics);
    if (alone > 0) {  // left out of the table, so that the other one has nobody to share with
      REQUIRE(codes(diagnostics) == (alone == 1 ? "SWY-2103" : "SWY-2103 SWY-2103"));
      folds += alone;
    } else if (same) {
      REQUIRE(table.size() == 1);
    } else {
      REQUIRE(codes(diagnostics) == (common ? "SWY-2103" : ""));
      overlapping += common;
    }
  }
  CHECK(overlapping > 100);
  CHECK(folds > 100);
}

TEST_CASE("parameter table: what is wrong with an entry") {
  const auto build = [](std::vector<ParameterInfo> entries) {
    Diagnostics diagnostics;
    ParameterTable::build(std::move(entries), diagnostics);
    return codes(diagnostics);
  };
  CHECK(build({parameter("", {1})}) == "SWY-2101");
  ParameterInfo nameless;
  CHECK(build({nameless}) == "SWY-2101");
  CHECK(build({parameter("a", {1}), parameter("a", {1})}) == "SWY-2102");
  CHECK(build({parameter("a", {2, -1})}) == "SWY-2104");
  CHECK(build({parameter("a", {std::int64_t{1} << 32, std::int64_t{1} << 31})}) == "SWY-2104");
  CHECK(build({parameter("a", {0, std::int64_t{1} << 62, std::int64_t{1} << 62})}).empty());
  CHECK(build({parameter("a", {})}).empty());
  auto frozen = view("b", {4}, 0, {1});
  frozen.requires_grad = false;
  CHECK(build({view("a", {4}, 0, {1}), frozen}) == "SWY-2105");
}

TEST_CASE("parameter table: sizes near the limits of 64 bits do no harm") {
  Diagnostics diagnostics;
  const auto huge = std::int64_t{1} << 62;
  ParameterTable::build({view("a", {3}, huge, {huge}), view("b", {3}, huge, {huge + 1}), view("c", {2}, 0, {-1}),
                         view("d", {2}, huge, {-huge})},
                        diagnostics);
  ParameterTable::build({view("a", {std::int64_t{1} << 40}, 0, {1}), view("b", {std::int64_t{1} << 40}, 5, {1})},
                        diagnostics);
  ParameterTable::build({view("a", {2}, 0, {huge}), view("b", {4}, huge - 2, {1})}, diagnostics);
  ParameterTable::build({view("a", {std::int64_t{1} << 40}, 0, {1}), view("b", {3}, 5, {1})},
                        diagnostics);  // and take no time
  CHECK(diagnostics.has_errors());
}

TEST_CASE("parameter table: a scalar has one element and prints as []") {
  CHECK(parameter("s", {}).numel() == 1);
  CHECK(to_string(std::vector<std::int64_t>{}) == "[]");
  CHECK(to_string(std::vector<std::int64_t>{768, 2304}) == "[768, 2304]");
}

TEST_CASE("parameter table: a view that shows an element twice is refused, others are not") {
  const auto build = [](std::vector<std::int64_t> shape, std::vector<std::int64_t> strides) {
    ParameterInfo info;
    info.names = {"w"};
    info.shape = std::move(shape);
    info.storage = StorageInfo{"s", 0, std::move(strides)};
    Diagnostics diagnostics;
    ParameterTable::build({info}, diagnostics);
    return diagnostics.items().empty() ? std::string() : diagnostics.items().front().code;
  };
  CHECK(build({4, 4}, {0, 1}) == "SWY-2103");  // expanded
  CHECK(build({3, 2}, {1, 1}) == "SWY-2103");  // sliding windows
  CHECK(build({4, 3}, {2, 3}) == "SWY-2103");  // 3 x 2 is 2 x 3
  CHECK(build({2, 3}, {3, 2}) == "");          // 0 2 4 3 5 7
  CHECK(build({4, 4}, {4, 1}) == "");
  CHECK(build({4, 4}, {1, 4}) == "");  // transposed
  CHECK(build({1, 4}, {0, 1}) == "");  // one index on the axis
  CHECK(build({0, 4}, {0, 1}) == "");  // no elements
  CHECK(build({2, 3, 4}, {100, 10, 1}) == "");
}
