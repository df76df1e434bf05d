#include "core/block.h"

#include <doctest/doctest.h>

#include <map>
#include <numeric>
#include <set>

using namespace switchyard;

namespace {

std::vector<std::int64_t> indices(const AxisCut& cut) {
  std::vector<std::int64_t> out;
  for (std::int64_t k = 0; k < cut.times; ++k) {
    for (std::int64_t i = 0; i < cut.length; ++i) out.push_back(cut.start + k * cut.stride + i);
  }
  return out;
}

/// How often each element of the parameter lies in a block.
std::map<std::int64_t, int> cover(const std::vector<Block>& blocks, const std::vector<std::int64_t>& shape) {
  std::map<std::int64_t, int> seen;
  for (const auto& block : blocks) {
    std::vector<std::int64_t> flat = {0};
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      std::vector<std::int64_t> next;
      for (const auto base : flat) {
        for (const auto index : indices(block.cuts[axis])) next.push_back(base * shape[axis] + index);
      }
      flat = std::move(next);
    }
    CHECK(static_cast<std::int64_t>(flat.size()) == block.out * block.in);
    for (const auto element : flat) ++seen[element];
  }
  return seen;
}

void check_partition(const std::vector<Block>& blocks, const std::vector<std::int64_t>& shape) {
  const auto seen = cover(blocks, shape);
  const auto numel = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  CHECK(static_cast<std::int64_t>(seen.size()) == numel);
  for (const auto& [element, times] : seen) CHECK(times == 1);
}

std::vector<std::string> names(const std::vector<Block>& blocks) {
  std::vector<std::string> out;
  for (const auto& block : blocks) out.push_back(block.name);
  return out;
}

}  // namespace

TEST_CASE("block: an uncut matrix is one block without a name") {
  MatrixView view;
  view.out = {0};
  view.in = {1};
  const auto blocks = enumerate_blocks(view, {6, 4});
  REQUIRE(blocks.size() == 1);
  CHECK(blocks[0].name.empty());
  CHECK(blocks[0].out == 6);
  CHECK(blocks[0].in == 4);
  check_partition(blocks, {6, 4});
  std::swap(view.out, view.in);
  CHECK(enumerate_blocks(view, {6, 4})[0].out == 4);
}

TEST_CASE("block: a flattened convolution") {
  MatrixView view;
  view.out = {0};
  view.in = {1, 2, 3};
  const auto blocks = enumerate_blocks(view, {8, 3, 5, 5});
  REQUIRE(blocks.size() == 1);
  CHECK(blocks[0].in == 75);
  check_partition(blocks, {8, 3, 5, 5});
}

TEST_CASE("block: split, batch and heads name every block once and cover every element once") {
  MatrixView view;
  view.batch = {0, 3};
  view.out = {1};
  view.in = {2};
  view.split_axis = 1;
  view.parts = {{"q", {0, 8, 0, 1}}, {"k", {8, 4, 0, 1}}, {"v", {12, 4, 0, 1}}};
  view.heads_axis = 1;
  view.head_size = 4;
  const std::vector<std::int64_t> shape = {2, 16, 5, 3};
  const auto blocks = enumerate_blocks(view, shape);
  CHECK(blocks.size() == 2 * 3 * (2 + 1 + 1));
  check_partition(blocks, shape);
  const auto all = names(blocks);
  CHECK(std::set<std::string>(all.begin(), all.end()).size() == all.size());
  CHECK(all[0] == "q/b0/b0/h0");
  CHECK(all[1] == "q/b0/b0/h1");
  CHECK(all[2] == "q/b0/b1/h0");
  CHECK(all.back() == "v/b1/b2/h0");
}

TEST_CASE("block: interleaved parts, with heads within a run and across runs") {
  // Axis of 24: three runs of q(4) k(2) v(2).
  MatrixView view;
  view.out = {0};
  view.in = {1};
  view.split_axis = 0;
  view.parts = {{"q", {0, 4, 8, 3}}, {"k", {4, 2, 8, 3}}, {"v", {6, 2, 8, 3}}};
  const std::vector<std::int64_t> shape = {24, 3};
  SUBCASE("no heads") {
    const auto blocks = enumerate_blocks(view, shape);
    CHECK(names(blocks) == std::vector<std::string>{"q", "k", "v"});
    CHECK(blocks[0].out == 12);
    check_partition(blocks, shape);
  }
  for (const std::int64_t size : {1, 2, 6}) {
    CAPTURE(size);
    view.heads_axis = 0;
    view.head_size = size;
    if (size == 6) view.parts = {{"q", {0, 4, 8, 3}}, {"rest", {4, 4, 8, 3}}};
    if (size == 6) view.head_size = 12;  // a head over all three runs
    const auto blocks = enumerate_blocks(view, shape);
    check_partition(blocks, shape);
    for (const auto& block : blocks) CHECK(block.out == view.head_size);
  }
}

TEST_CASE("block: head h of size s is the h-th stretch of s indices of the cut") {
  for (const std::int64_t length : {1, 2, 4, 8}) {
    for (const std::int64_t times : {1, 2, 4, 8}) {
      const AxisCut cut = {3, length, length + 5, times};
      const auto all = indices(cut);
      for (std::int64_t size = 1; size <= cut.size(); ++size) {
        if (cut.size() % size != 0 || (length % size != 0 && size % length != 0)) continue;
        for (std::int64_t head = 0; head < cut.size() / size; ++head) {
          const auto own = indices(head_of(cut, size, head));
          CHECK(own == std::vector<std::int64_t>(all.begin() + head * size, all.begin() + (head + 1) * size));
        }
      }
    }
  }
}

TEST_CASE("block: views are compared by value") {
  MatrixView a;
  a.out = {0};
  a.in = {1};
  auto b = a;
  CHECK(a == b);
  b.parts = {{"q", {0, 1, 0, 1}}};
  CHECK_FALSE(a == b);
  a.parts = {{"k", {0, 1, 0, 1}}};
  CHECK_FALSE(a == b);
  a.parts[0].name = "q";
  CHECK(a == b);
  a.head_size = 3;
  CHECK_FALSE(a == b);
}
