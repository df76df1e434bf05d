#include "kernels/adamw.h"

#include "tests/kernels/values.h"

#include <cmath>
#include <functional>
#include <stdexcept>
#include <vector>

using namespace switchyard::kernels;
using namespace switchyard::testing;

namespace {

struct State {
  at::Tensor param, grad, m, v, vmax;

  static State random(at::IntArrayRef sizes, std::mt19937_64& engine, at::ScalarType type = at::kFloat) {
    return {gaussian(sizes, engine, type), gaussian(sizes, engine, type), gaussian(sizes, engine, type) * 0.1,
            gaussian(sizes, engine, type).square() * 0.01, gaussian(sizes, engine, type).square() * 0.01};
  }
  [[nodiscard]] State mapped(const std::function<at::Tensor(const at::Tensor&)>& f) const {
    return {f(param), f(grad), f(m), f(v), f(vmax)};
  }
  [[nodiscard]] State copy() const {
    return mapped([](const at::Tensor& t) { return t.clone(); });
  }
  void step(const AdamW& o) const { adamw(param, grad, m, v, o.amsgrad ? vmax : at::Tensor(), o); }
  void reference(const AdamW& o) const { adamw_reference(param, grad, m, v, o.amsgrad ? vmax : at::Tensor(), o); }
};

bool same(const State& a, const State& b) {
  return same_bits(a.param, b.param) && same_bits(a.grad, b.grad) && same_bits(a.m, b.m) && same_bits(a.v, b.v) &&
         same_bits(a.vmax, b.vmax);
}

std::vector<AdamW> variants() {
  AdamW o;
  o.lr = 3e-2;
  o.decay = 3e-4;
  o.count = 3;
  std::vector<AdamW> all;
  for (const AdamWArithmetic arithmetic : {AdamWArithmetic::fused, AdamWArithmetic::torch}) {
    o.arithmetic = arithmetic;
    all.push_back(o);
    for (const auto& change : std::vector<std::function<void(AdamW&)>>{
             [](AdamW& x) { x.amsgrad = true; }, [](AdamW& x) { x.maximize = true; }, [](AdamW& x) { x.decay = 0; },
             [](AdamW& x) { x.grad_scale = 0.37; }, [](AdamW& x) { x.beta1 = 0.3; }, [](AdamW& x) { x.eps = 1e-2; },
             [](AdamW& x) { x.count = 7; }, [](AdamW& x) { x.lr = 1e-3; }, [](AdamW& x) { x.beta2 = 0.9; }}) {
      all.push_back(o);
      change(all.back());
    }
  }
  return all;
}

}  // namespace

TEST_CASE("adamw: the vector path equals the reference bit for bit at every size") {
  auto random = random_engine(10);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (std::int64_t n = 0; n <= 71; ++n) {
      const State start = State::random({n == 71 ? 1003 : n}, random, type);
      for (const AdamW& o : variants()) {
        const State fast = start.copy(), slow = start.copy();
        fast.step(o);
        slow.reference(o);
        CHECK(same(fast, slow));
        CHECK(same_bits(fast.grad, start.grad));
      }
    }
  }
}

TEST_CASE("adamw: zeros, denormals, huge values, infinities and NaNs agree with the reference") {
  const at::Tensor odd =
      at::tensor({0.0, -0.0, 1e-45, -1e-40, 1e-38, 1e-20, 1.0, -1e19, 3e38, -3e38, INFINITY, -INFINITY}, at::kFloat);
  const std::int64_t k = odd.numel();
  State start{odd.repeat({k}), odd.repeat_interleave(k), odd.flip(0).repeat({k}),
              odd.abs().repeat_interleave(k).flip(0), odd.abs().repeat({k})};
  for (const AdamW& o : variants()) {
    const State fast = start.copy(), slow = start.copy();
    fast.step(o);
    slow.reference(o);
    // NaN payloads are not part of the contract.
    for (const auto& [a, b] :
         {std::pair{fast.param, slow.param}, {fast.m, slow.m}, {fast.v, slow.v}, {fast.vmax, slow.vmax}}) {
      CHECK(same_bits(at::nan_to_num(a, 77.0, INFINITY, -INFINITY), at::nan_to_num(b, 77.0, INFINITY, -INFINITY)));
      CHECK(at::equal(a.isnan(), b.isnan()));
    }
  }
  State nan = State{at::ones({9}), at::ones({9}), at::ones({9}), at::full({9}, NAN), at::ones({9})};
  AdamW o;
  o.amsgrad = true;
  nan.step(o);
  CHECK(nan.vmax.isnan().all().item<bool>());  // as torch.maximum
}

TEST_CASE("adamw: cuts, layouts, alignment and threads change no bit") {
  auto random = random_engine(11);
  const State start = State::random({37, 129}, random);
  for (const AdamW& o : variants()) {
    const State whole = start.copy();
    whole.step(o);
    const State cut = start.copy();
    for (std::int64_t begin = 0; begin < 37 * 129;) {
      const std::int64_t length =
          std::min<std::int64_t>(37 * 129 - begin, 1 + static_cast<std::int64_t>(random() % 700));
      cut.mapped([&](const at::Tensor& t) { return t.view({-1}).narrow(0, begin, length); }).step(o);
      begin += length;
    }
    CHECK(same(cut, whole));
    const State transposed = start.mapped([](const at::Tensor& t) { return t.t().contiguous().t(); });
    transposed.step(o);
    CHECK(same(transposed, whole));
    State mixed = start.copy();
    mixed.grad =
        mixed.grad.t().contiguous().t();  // torch's fused kernel pairs elements by memory order and is wrong here
    mixed.v = at::empty({37, 130}).narrow(1, 1, 129).copy_(mixed.v);
    mixed.step(o);
    CHECK(same(mixed, whole));
    const State misaligned = start.mapped([](const at::Tensor& t) {
      return at::empty({t.numel() + 1}).narrow(0, 1, t.numel()).view(t.sizes()).copy_(t);
    });
    misaligned.step(o);
    CHECK(same(misaligned, whole));
    const Threads one(1);
    const State serial = start.copy();
    serial.step(o);
    CHECK(same(serial, whole));
  }
}

TEST_CASE("adamw: every option changes the result") {
  auto random = random_engine(12);
  const State start = State::random({64}, random);
  const auto all = variants();
  const std::size_t half = all.size() / 2;
  for (std::size_t base : {std::size_t{0}, half}) {
    const State plain = start.copy();
    plain.step(all[base]);
    for (std::size_t i = base + 1; i < base + half; ++i) {
      const State changed = start.copy();
      changed.step(all[i]);
      CHECK(!same_bits(changed.param, plain.param));
    }
  }
}

TEST_CASE("adamw: 20 steps give the golden values") {
  struct Golden {
    std::vector<std::int64_t> sizes;
    double sum, norm, first;
  };
  for (const Golden& golden : {Golden{{5, 7}, -4.93463844377, 3.38368743579, -0.72804637117},
                               Golden{{3}, -2.22194761267, 1.32387800892, -0.72804637117}}) {
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      for (const AdamWArithmetic arithmetic : {AdamWArithmetic::fused, AdamWArithmetic::torch}) {
        const at::Tensor p = portable(100, golden.sizes).to(type), m = at::zeros_like(p), v = at::zeros_like(p);
        AdamW o;
        o.decay = o.lr * 1e-2;
        o.arithmetic = arithmetic;
        for (o.count = 1; o.count <= 20; ++o.count) {
          adamw(p, portable(199 + static_cast<std::uint64_t>(o.count), golden.sizes).to(type), m, v, {}, o);
        }
        const double tolerance = type == at::kDouble ? 1e-10 : 2e-5;  // the golden file's own
        CHECK(p.sum().item<double>() == doctest::Approx(golden.sum).epsilon(tolerance));
        CHECK(p.norm().item<double>() == doctest::Approx(golden.norm).epsilon(tolerance));
        CHECK(p.flatten()[0].item<double>() == doctest::Approx(golden.first).epsilon(tolerance));
      }
    }
  }
}

TEST_CASE("adamw: float64 follows the textbook formula") {
  auto random = random_engine(13);
  const State s = State{gaussian({50}, random, at::kDouble), gaussian({50}, random, at::kDouble),
                        at::zeros({50}, at::kDouble), at::zeros({50}, at::kDouble), at::zeros({50}, at::kDouble)};
  AdamW o;
  o.decay = 1e-3;
  at::Tensor p = s.param.clone(), m = s.m.clone(), v = s.v.clone();
  for (o.count = 1; o.count <= 30; ++o.count) {
    s.grad.copy_(gaussian({50}, random, at::kDouble));
    s.step(o);
    m = o.beta1 * m + (1 - o.beta1) * s.grad;
    v = o.beta2 * v + (1 - o.beta2) * s.grad * s.grad;
    const double t = static_cast<double>(o.count);
    p = p * (1 - o.decay) - o.lr * (m / (1 - std::pow(o.beta1, t))) / ((v / (1 - std::pow(o.beta2, t))).sqrt() + o.eps);
  }
  CHECK((s.param - p).abs().max().item<double>() < 1e-13 * 30);  // 1e-13 a step: different order of the same operations
}

TEST_CASE("adamw: a half-precision parameter is the rounded float32 step") {
  auto random = random_engine(14);
  const State start = State::random({100}, random);
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    State narrow = start.copy(), wide = start.copy();
    narrow.param = narrow.param.to(type);
    narrow.grad = narrow.grad.to(type);
    wide.param = narrow.param.to(at::kFloat);
    wide.grad = narrow.grad.to(at::kFloat);
    narrow.step({});
    wide.step({});
    CHECK(same_bits(narrow.param, wide.param.to(type)));
    CHECK(same_bits(narrow.m, wide.m));
  }
}

TEST_CASE("adamw: grad_scale is rounded into each gradient element, and 1 changes nothing") {
  auto random = random_engine(15);
  const State start = State::random({70}, random);
  const State scaled = start.copy();
  AdamW o;
  o.grad_scale = 0.1;
  scaled.step(o);
  State before = start.copy();
  before.grad = before.grad * static_cast<float>(0.1);
  before.step({});
  CHECK(same_bits(scaled.param, before.param));
  CHECK(same_bits(scaled.v, before.v));
}

TEST_CASE("adamw: misuse is refused before any change") {
  auto random = random_engine(16);
  const State start = State::random({8}, random);
  const auto refused = [&](AdamW o, const std::function<void(State&)>& spoil) {
    State s = start.copy();
    spoil(s);
    const State before = s.mapped([](const at::Tensor& t) { return t.defined() ? t.clone() : t; });
    CHECK_THROWS_AS(adamw(s.param, s.grad, s.m, s.v, s.vmax, o), std::invalid_argument);
    CHECK(same_bits(s.param, before.param));
    CHECK(same_bits(s.m, before.m));
  };
  AdamW o;
  o.count = 0;
  refused(o, [](State&) {});
  o = {};
  o.beta2 = 1.0;
  refused(o, [](State&) {});
  o = {};
  refused(o, [](State& s) { s.grad = at::zeros({7}); });
  refused(o, [](State& s) { s.v = s.v.to(at::kDouble); });
  refused(o, [](State& s) { s.m = s.m.to(at::kHalf); });
  refused(o, [](State& s) { s.param = s.param.to(at::kInt); });
  o.amsgrad = true;
  refused(o, [](State& s) { s.vmax = at::Tensor(); });
}
