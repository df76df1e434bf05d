#include "core/remembered.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "core/parameter_table.h"
#include "tests/support/test_registry.h"

using namespace switchyard;

namespace {

OptionValues values(double momentum, std::int64_t steps) { return {{"momentum", momentum}, {"steps", steps}}; }

/// A check that counts its calls and names the momentum.
struct Counted {
  std::shared_ptr<std::atomic<int>> calls = std::make_shared<std::atomic<int>>(0);
  OptionsCheck check() const {
    return [calls = calls](const OptionValues& given) {
      ++*calls;
      const auto momentum = std::get<double>(given[0].second);
      return momentum < 1 ? "" : "momentum " + std::to_string(momentum);
    };
  }
};

}  // namespace

TEST_CASE("remembered: a check is asked once for each settings, and says the same as before") {
  const Counted counted;
  const auto check = remembered(counted.check());
  for (int round = 0; round < 3; ++round) {
    for (const double momentum : {0.0, 0.5, 1.0, 2.0})
      CHECK(check(values(momentum, 5)) == counted.check()(values(momentum, 5)));
  }
  CHECK(*counted.calls == 4 + 12);  // four asked by the memory, twelve by this test
  const auto before = counted.calls->load();
  CHECK(check(values(0.5, 6)).empty());  // another option: other settings
  CHECK(*counted.calls == before + 1);
}

TEST_CASE("remembered: options that a check does not look at do not matter") {
  const Counted counted;
  const auto check = remembered(counted.check(), {"momentum"});
  for (std::int64_t steps = 1; steps <= 100; ++steps) CHECK(check(values(2, steps)) == "momentum 2.000000");
  CHECK(*counted.calls == 1);
}

TEST_CASE("remembered: it forgets, and does not grow for ever") {
  const Counted counted;
  const auto check = remembered(counted.check());
  for (int i = 0; i < 1000; ++i) CHECK(check(values(i, 1)).empty() == (i == 0));
  CHECK(*counted.calls == 1000);
  CHECK(check(values(999, 1)) == "momentum 999.000000");
  CHECK(*counted.calls == 1000);
  CHECK(check(values(0, 1)).empty());
  CHECK(*counted.calls == 1001);
}

TEST_CASE("remembered: a check that throws is asked again, and no check stays none") {
  int calls = 0;
  const auto check = remembered([&](const OptionValues&) -> std::string {
    if (++calls == 1) throw std::runtime_error("once");
    return "fine";
  });
  CHECK_THROWS_AS(check({}), std::runtime_error);
  CHECK(check({}) == "fine");
  CHECK(check({}) == "fine");
  CHECK(calls == 2);
  CHECK_FALSE(remembered({}));
}

TEST_CASE("remembered: copies and threads share what is known") {
  const Counted counted;
  const auto check = remembered(counted.check());
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, copy = check] {
      for (int i = 0; i < 500; ++i) wrong += copy(values(i % 7, 1)).empty() == (i % 7 == 0) ? 0 : 1;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(*counted.calls == 7);
}

TEST_CASE("remembered: every registry does so, for its copies too") {
  const Counted counted;
  OptimizerDescriptor descriptor = *test::registry().find("muon");
  descriptor.check = counted.check();
  Registry registry;
  registry.add(descriptor);
  const auto copy = registry;
  for (int i = 0; i < 10; ++i) {
    CHECK(registry.find("muon")->check(values(0.5, 1)).empty());
    CHECK(copy.find("muon")->check(values(0.5, 1)).empty());
  }
  CHECK(*counted.calls == 1);
}
