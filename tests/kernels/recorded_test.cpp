#include "kernels/recorded.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/elementwise.h"
#include "tests/kernels/values.h"

using namespace switchyard::kernels;

namespace {

// A branch on an element's value does not compile, nor do the standard functions and mixed arithmetic: what a formula
// may not do is a compile error, not a silent difference.
template <class T>
constexpr bool branches = requires(T x) {
  x > x ? 1 : 0;
};
template <class T>
constexpr bool converts = requires(T x) {
  static_cast<float>(x);
};
template <class T>
constexpr bool mixes = requires(T x) {
  x * 0.5;
};
static_assert(branches<float> && !branches<Value>);
static_assert(converts<float> && !converts<Value>);
static_assert(mixes<float> && !mixes<Value>);

/// Records f(a, b, c) and compares the replay with f itself, bit for bit.
template <class C, class F>
void compare(const char* what, const std::vector<double>& values, F&& f) {
  Recording recording;
  Value x[3];
  for (std::int32_t i = 0; i < 3; ++i) x[i] = {&recording, recording.add(Operation::load, i)};
  recording.add_store(3, f(x[0], x[1], x[2]).node());
  std::vector<C> a, b, c;
  for (const auto u : values) {
    for (const auto v : values) {
      for (const auto w : values) {
        a.push_back(static_cast<C>(u));
        b.push_back(static_cast<C>(v));
        c.push_back(static_cast<C>(w));
      }
    }
  }
  std::vector<C> given(a.size());
  void* rows[] = {a.data(), b.data(), c.data(), given.data()};
  Replay<C> replay;
  replay.run(recording, rows, 1, static_cast<std::int64_t>(a.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    const C expected = f(a[i], b[i], c[i]);
    INFO(what, "(", a[i], ", ", b[i], ", ", c[i], ") = ", expected, ", replayed ", given[i]);
    if (std::isnan(expected)) {
      if (!std::isnan(given[i])) FAIL("not a NaN");
    } else if (std::memcmp(&expected, &given[i], sizeof(C)) != 0) {
      FAIL("other bits");
    }
  }
}

template <class C>
void all_operations() {
  std::vector<double> values = {0.0,   -0.0, 1.0,  -1.0,  0.1,  3.0,      -2.5,      1e-45,
                                1e-39, 1e-5, 7e36, -3e38, 1e38, INFINITY, -INFINITY, NAN};
  auto random = switchyard::testing::random_engine(20);
  std::normal_distribution<double> gauss;
  for (int i = 0; i < 6; ++i) values.push_back(gauss(random));
  compare<C>("a + b", values, [](auto a, auto b, auto) { return a + b; });
  compare<C>("a - b", values, [](auto a, auto b, auto) { return a - b; });
  compare<C>("a * b", values, [](auto a, auto b, auto) { return a * b; });
  compare<C>("a / b", values, [](auto a, auto b, auto) { return a / b; });
  compare<C>("-a", values, [](auto a, auto, auto) { return -a; });
  compare<C>("fma", values, [](auto a, auto b, auto c) { return fma(a, b, c); });
  compare<C>("a * b + c", values, [](auto a, auto b, auto c) { return a * b + c; });
  compare<C>("sqrt", values, [](auto a, auto, auto) { return sqrt(a); });
  compare<C>("abs", values, [](auto a, auto, auto) { return abs(a); });
  compare<C>("sign", values, [](auto a, auto, auto) { return sign(a); });
  compare<C>("<", values, [](auto a, auto b, auto c) { return select(a < b, b, c); });
  compare<C>(">", values, [](auto a, auto b, auto c) { return select(a > b, b, c); });
  compare<C>("<=", values, [](auto a, auto b, auto c) { return select(a <= b, b, c); });
  compare<C>(">=", values, [](auto a, auto b, auto c) { return select(a >= b, b, c); });
  compare<C>("==", values, [](auto a, auto b, auto c) { return select(a == b, b, c); });
  compare<C>("!=", values, [](auto a, auto b, auto c) { return select(a != b, b, c); });
  compare<C>("&& || !", values,
             [](auto a, auto b, auto c) { return select((a < b && b < c) || !(a <= c), a, select(true, b, c)); });
  compare<C>("compound", values, [](auto a, auto b, auto c) {
    a += b;
    a *= c;
    a -= b;
    a /= c;
    return a;
  });
}

}  // namespace

TEST_CASE("recorded: every operation replays to the bits of the formula itself") {
  all_operations<float>();
  all_operations<double>();
}

TEST_CASE("recorded: text shows one operation a line") {
  Recording recording;
  recording.scaled = 1;
  const Value p(&recording, recording.add(Operation::load, 0)), g(&recording, recording.add(Operation::load, 1));
  const Value lr(&recording, recording.add_scalar(0.5));
  recording.add_store(0, (p - lr * g).node());
  CHECK(recording.text() == "v0 = x0\nv1 = gain * x1\nv2 = s0\nv3 = v2 * v1\nv4 = v0 - v3\nx0 <- v4\n");
  recording.clear();
  CHECK(recording.text().empty());
}

TEST_CASE("recorded: an operation in the place of another shows") {
  for (const auto wrong : {Operation::subtract, Operation::multiply}) {
    std::vector<float> a = {2.5F, -1.0F}, b = {0.5F, 3.0F}, out(2);
    void* rows[] = {a.data(), b.data(), out.data()};
    Recording recording;
    const auto x = recording.add(Operation::load, 0), y = recording.add(Operation::load, 1);
    recording.add_store(2, recording.add(wrong, x, y));
    Replay<float> replay;
    replay.run(recording, rows, 1, 2);
    CHECK(out[0] != a[0] + b[0]);
  }
}
