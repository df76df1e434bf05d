#include "rules/view_drawing.h"

#include <doctest/doctest.h>

#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

std::string drawn(std::vector<std::int64_t> shape, MatrixView view) {
  const auto registry = test::registry();
  const auto* muon = registry.find("muon");
  PlannedParameter parameter;
  parameter.info = test::parameter("w", std::move(shape));
  parameter.plugin = "muon";
  parameter.settings = muon->table.defaults();
  parameter.view = std::move(view);
  describe_parts(parameter, *muon);
  return view_drawing(parameter, 0);
}

MatrixView roles(std::vector<int> batch, std::vector<int> out, std::vector<int> in) {
  MatrixView view;
  view.batch = std::move(batch);
  view.out = std::move(out);
  view.in = std::move(in);
  return view;
}

}  // namespace

TEST_CASE("drawing: a split is drawn in proportion, under its axis") {
  auto view = roles({}, {1}, {0});
  view.split_axis = 1;
  view.parts = {{"q", {0, 512, 0, 1}}, {"kv", {512, 256, 0, 1}}};
  CHECK(drawn({64, 768}, view) ==
        "axis 0   64  in   |                                                |\n"
        "axis 1  768  out  |q 512                           |kv 256          |\n"
        "blocks  split q|kv, 512x64 | 256x64\n");
}

TEST_CASE("drawing: an interleaved split shows its runs in the order of storage") {
  auto view = roles({}, {0}, {1});
  view.split_axis = 0;
  view.parts = {{"q", {0, 4, 12, 2}}, {"k", {4, 4, 12, 2}}, {"v", {8, 4, 12, 2}}};
  CHECK(drawn({24, 8}, view).find("out  |q 4     |k 4     |v 4     |q 4     |k 4     |v 4     |\n") !=
        std::string::npos);
}

TEST_CASE("drawing: heads and batches beyond eight are counted, however many") {
  auto view = roles({0}, {1}, {2});
  view.heads_axis = 1;
  view.head_size = 64;
  const auto text = drawn({1000000, 768, 32}, view);
  CAPTURE(text);
  CHECK(text.find("... 1000000 pieces") != std::string::npos);
  CHECK(text.find("h0 64") != std::string::npos);
  CHECK(text.find("... 12 pieces") != std::string::npos);
  CHECK(text.size() < 1000);
}

TEST_CASE("drawing: every axis of a convolution has its role") {
  const auto text = drawn({32, 16, 3, 3}, roles({}, {0}, {1, 2, 3}));
  CHECK(text.find("axis 3") != std::string::npos);
  CHECK(text.find("blocks  32x144") != std::string::npos);
}

TEST_CASE("drawing: parameters without blocks have none") {
  PlannedParameter parameter;
  parameter.info = test::parameter("w", {3, 4});
  CHECK(view_drawing(parameter).empty());
}
