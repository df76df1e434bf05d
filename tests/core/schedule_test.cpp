#include "core/schedule.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace switchyard;

namespace {

Schedule schedule(Schedule::Kind kind, std::int64_t warmup, std::int64_t total, double floor = 0) {
  Schedule out;
  out.kind = kind;
  out.warmup = warmup;
  out.total = total;
  out.floor = floor;
  return out;
}

}  // namespace

TEST_CASE("schedule: warmup over N gives (t+1)/N and reaches the peak at t = N-1") {
  for (const auto kind :
       {Schedule::Kind::constant, Schedule::Kind::linear, Schedule::Kind::cosine, Schedule::Kind::wsd}) {
    auto s = schedule(kind, 4, 100);
    s.decay = 20;
    CHECK(s(0) == 0.25);
    CHECK(s(1) == 0.5);
    CHECK(s(2) == 0.75);
    CHECK(s(3) == 1.0);
    CHECK(s(4) == 1.0);  // the first step of the decay is the peak still
    s.peak = 3;
    CHECK(s(1) == 1.5);
  }
}

TEST_CASE("schedule: the closed forms") {
  const auto linear = schedule(Schedule::Kind::linear, 10, 110, 0.2);
  CHECK(linear(10) == 1.0);
  CHECK(linear(60) == doctest::Approx(0.6).epsilon(1e-15));
  CHECK(linear(110) == doctest::Approx(0.2).epsilon(1e-15));
  const auto cosine = schedule(Schedule::Kind::cosine, 0, 100, 0.1);
  CHECK(cosine(0) == 1.0);
  CHECK(cosine(50) == doctest::Approx(0.55).epsilon(1e-15));
  CHECK(cosine(25) == doctest::Approx(0.1 + 0.9 * (1 + std::sqrt(0.5)) / 2).epsilon(1e-15));
  CHECK(cosine(100) == doctest::Approx(0.1).epsilon(1e-15));
  auto wsd = schedule(Schedule::Kind::wsd, 10, 100, 0.5);
  wsd.decay = 40;
  CHECK(wsd(59) == 1.0);
  CHECK(wsd(60) == 1.0);
  CHECK(wsd(80) == doctest::Approx(0.75).epsilon(1e-15));
  CHECK(wsd(100) == 0.5);
  wsd.shape = Schedule::Shape::sqrt;
  CHECK(wsd(70) == doctest::Approx(0.5 + 0.5 * (1 - 0.5)).epsilon(1e-15));
  wsd.shape = Schedule::Shape::cosine;
  CHECK(wsd(80) == doctest::Approx(0.75).epsilon(1e-15));
}

// Covers H37.
TEST_CASE("schedule: past the total the last value holds, for ever") {
  for (const auto kind : {Schedule::Kind::linear, Schedule::Kind::cosine, Schedule::Kind::wsd}) {
    auto s = schedule(kind, 5, 50, 0.125);
    s.decay = 10;
    for (const std::int64_t t :
         {std::int64_t{50}, std::int64_t{51}, std::int64_t{1} << 53, std::numeric_limits<std::int64_t>::max()}) {
      CHECK(s(t) == 0.125);
    }
  }
  CHECK(schedule(Schedule::Kind::constant, 0, 0)(std::numeric_limits<std::int64_t>::max()) == 1.0);
}

TEST_CASE("schedule: piecewise lines through the points, held outside") {
  Schedule s;
  s.kind = Schedule::Kind::piecewise;
  s.points = {{10, 0.85}, {20, 0.95}, {20, 0.5}, {40, 0.7}};
  CHECK(s(0) == 0.85);
  CHECK(s(10) == 0.85);
  CHECK(s(15) == doctest::Approx(0.9).epsilon(1e-15));
  CHECK(s(30) == doctest::Approx(0.6).epsilon(1e-15));
  CHECK(s(40) == doctest::Approx(0.7).epsilon(1e-15));
  CHECK(s(1000) == 0.7);
  CHECK(range(s) == std::pair(0.5, 0.95));
}

TEST_CASE("schedule: after the warmup nothing rises, and everything stays within its range") {
  std::mt19937 random(doctest::getContextOptions()->rand_seed);
  for (int trial = 0; trial < 300; ++trial) {
    Schedule s;
    s.kind = static_cast<Schedule::Kind>(random() % 4);
    s.warmup = random() % 20;
    s.total = s.warmup + random() % 100;
    s.decay = s.total > s.warmup ? random() % (s.total - s.warmup + 1) : 0;
    s.shape = static_cast<Schedule::Shape>(random() % 3);
    s.floor = (random() % 100) / 100.0;
    const auto [low, high] = range(s);
    auto before = std::numeric_limits<double>::infinity();
    for (std::int64_t t = 0; t < s.total + 5; ++t) {
      const auto value = s(t);
      CAPTURE(to_string(s));
      CAPTURE(t);
      REQUIRE(value >= low - 1e-15);
      REQUIRE(value <= high + 1e-15);
      if (t >= s.warmup) {
        REQUIRE(value <= before + 1e-15);
        before = value;
      }
    }
  }
}

TEST_CASE("schedule: equal schedules have equal canonical forms, different ones differ") {
  const auto a = schedule(Schedule::Kind::cosine, 10, 100, 0.1);
  auto b = a;
  CHECK(dump_json(to_json(a)) == dump_json(to_json(b)));
  b.floor = 0.2;
  CHECK(dump_json(to_json(a)) != dump_json(to_json(b)));
  CHECK(dump_json(to_json(a)) == R"({"kind":"cosine","peak":1.0,"warmup":10,"floor":0.1,"total":100})");
  CHECK(to_string(a) == "cosine, warmup 10, floor 0.1, total 100");
}
