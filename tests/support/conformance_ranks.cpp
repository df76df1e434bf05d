#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "tests/kernels/values.h"
#include "tests/support/conformance.h"

/// Sharding, stacking and views are invisible: whoever holds which rows, whatever lies beside a block, the bits are the
/// same.
namespace switchyard::conformance {

namespace {

/// One rank against several, replicated and sharded, with a gradient that is missing once.
void compare_worlds(const Subject& subject, Setup setup, const std::vector<int>& worlds) {
  setup.missing = [](int step, std::size_t item) { return step == 2 && item == 0; };
  setup.ranks = 1;
  setup.sharded = false;
  const auto alone = run(subject, setup);
  for (const int ranks : worlds) {
    for (const bool sharded : {false, true}) {
      setup.ranks = ranks;
      setup.sharded = sharded;
      INFO("plugin ", subject.descriptor.name, ", ranks ", ranks, sharded ? ", sharded" : ", replicated", ", dtype ",
           c10::toString(setup.items.front().dtype));
      CHECK(first_difference(run(subject, setup), alone) == "");
    }
  }
}

}  // namespace

void ranks_change_no_bit(const Subject& subject) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    Setup setup;
    setup.seed = 100;
    setup.options = lively_options(subject.descriptor);
    setup.items = small_items(subject, dtype);
    setup.items.push_back({"a33", {33, 65}, dtype});
    setup.items.push_back({"a31", {31, 77}, dtype});
    setup.items.push_back({"flat", {1, 9}, dtype});
    setup.items.push_back({"none", {0, 4}, dtype});
    setup.items.push_back({"large", {128, 320}, dtype});
    setup.clip = 3.0;
    compare_worlds(subject, setup, {1, 2, 3, 4});
  }
}

void host_copies_change_no_bit(const Subject& subject) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const int ranks : {1, 3}) {
      Setup setup;
      setup.seed = 103;
      setup.options = lively_options(subject.descriptor);
      setup.items = small_items(subject, dtype);
      setup.missing = [](int step, std::size_t item) { return step == 2 && item == 0; };
      setup.ranks = ranks;
      setup.sharded = ranks > 1;
      const auto direct = run(subject, setup);
      setup.host_copies = true;
      INFO("plugin ", subject.descriptor.name, ", dtype ", c10::toString(dtype), ", ranks ", ranks);
      CHECK(first_difference(run(subject, setup), direct) == "");
    }
  }
}

void replayed_formulas_change_no_bit(const Subject& subject) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    Setup setup;
    setup.seed = 103;
    setup.options = lively_options(subject.descriptor);
    setup.items = small_items(subject, dtype);
    setup.clip = 1.0;
    const auto compiled = run(subject, setup);
    setup.formulas = Formulas::replayed;
    INFO("plugin ", subject.descriptor.name, ", dtype ", c10::toString(dtype));
    CHECK(first_difference(run(subject, setup), compiled) == "");
  }
}

void neighbours_change_no_bit(const Subject& subject) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    Setup many;
    many.seed = 102;
    many.options = lively_options(subject.descriptor);
    for (const auto* name : {"a", "b", "c", "d", "e"}) many.items.push_back({name, {33, 65}, dtype});
    const auto together = run(subject, many);
    auto cut = many;
    cut.workspace = 1;
    INFO("plugin ", subject.descriptor.name, ", dtype ", c10::toString(dtype));
    CHECK(first_difference(run(subject, cut), together) == "");
    for (const auto& item : many.items) {
      auto alone = many;
      alone.items = {item};
      const auto single = run(subject, alone);
      CHECK(testing::same_bits(single.params.at(item.name), together.params.at(item.name)));
      for (const auto& [name, tensor] : single.state) CHECK(testing::same_bits(tensor, together.state.at(name)));
    }
    // A missing neighbour splits a stack into runs of active blocks; the others must not notice.
    auto gap = many;
    gap.missing = [](int, std::size_t item) { return item == 1; };
    const auto holed = run(subject, gap);
    for (const auto* name : {"a", "c", "d", "e"})
      CHECK(testing::same_bits(holed.params.at(name), together.params.at(name)));
  }
}

}  // namespace switchyard::conformance
