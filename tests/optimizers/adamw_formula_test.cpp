#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "core/plugin/elementwise.h"
#include "tests/kernels/values.h"
#include "tests/support/hand_made_piece.h"

/// AdamW's arithmetic against a scalar reference of torch 2.11's kernels, written here one element at a time.

using namespace switchyard;
using testing::gaussian;
using testing::HandMadePiece;
using testing::random_engine;
using testing::same_bits;

namespace {

struct Settings {
  double lr = 3e-2, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 3e-4;
  bool amsgrad = false, maximize = false;
  std::string arithmetic = "fused";
  std::int64_t count = 3;
  double grad_scale = 1;
};

struct State {
  at::Tensor param, grad, m, v, vmax;

  static State random(at::IntArrayRef sizes, std::mt19937_64& engine, at::ScalarType type = at::kFloat) {
    return {gaussian(sizes, engine, type), gaussian(sizes, engine, type), gaussian(sizes, engine, type) * 0.1,
            gaussian(sizes, engine, type).square() * 0.01, gaussian(sizes, engine, type).square() * 0.01};
  }
  State mapped(const std::function<at::Tensor(const at::Tensor&)>& f) const {
    return {f(param), f(grad), f(m), f(v), f(vmax)};
  }
  State copy() const {
    return mapped([](const at::Tensor& t) { return t.clone(); });
  }
};

bool same(const State& a, const State& b) {
  return same_bits(a.param, b.param) && same_bits(a.grad, b.grad) && same_bits(a.m, b.m) && same_bits(a.v, b.v) &&
         same_bits(a.vmax, b.vmax);
}

/// One update of the registered plugin.
void step(const State& s, const Settings& o, Formulas formulas = Formulas::compiled) {
  static const auto registry = builtin_registry();
  const auto& descriptor = *registry.find("adamw");
  auto values = descriptor.table.defaults();
  *find_option(values, "betas") = std::vector<double>{o.beta1, o.beta2};
  *find_option(values, "eps") = o.eps;
  *find_option(values, "amsgrad") = o.amsgrad;
  *find_option(values, "maximize") = o.maximize;
  *find_option(values, "arithmetic") = o.arithmetic;
  const auto options = descriptor.table.make(values);
  HandMadePiece made(s.param, {}, s.grad, {}, {s.m, s.v, o.amsgrad ? s.vmax : at::Tensor()},
                     {.lr = o.lr, .decay = o.decay, .count = o.count});
  descriptor.make()->finish(made.pieces(),
                            Step(0, GradScale(o.grad_scale), options.get(), *descriptor.table.type, formulas));
}

/// torch/optim/adam.py and FusedAdamKernel.cpp, an element at a time; packed tensors of type C.
template <class C>
void reference(const State& s, const Settings& o) {
  const auto w = static_cast<C>(1 - o.beta1), c = static_cast<C>(1 - o.beta2), b2 = static_cast<C>(o.beta2);
  const auto keep = static_cast<C>(1 - o.decay), eps = static_cast<C>(o.eps), scale = static_cast<C>(o.grad_scale);
  const auto q = static_cast<C>(std::sqrt(1 - std::pow(o.beta2, static_cast<double>(o.count))));
  const auto ns = static_cast<C>(-(o.lr / (1 - std::pow(o.beta1, static_cast<double>(o.count)))));
  auto* p = s.param.mutable_data_ptr<C>();
  auto* m = s.m.mutable_data_ptr<C>();
  auto* v = s.v.mutable_data_ptr<C>();
  auto* top = s.vmax.mutable_data_ptr<C>();
  const auto* grad = s.grad.const_data_ptr<C>();
  for (std::int64_t i = 0; i < s.param.numel(); ++i) {
    C g = scale * grad[i];
    if (o.maximize) g = -g;
    const C difference = g - m[i];
    m[i] = std::abs(w) < C(0.5) ? std::fma(w, difference, m[i]) : std::fma(-(C(1) - w), difference, g);
    v[i] = std::fma(c * g, g, v[i] * b2);
    if (o.amsgrad && !(v[i] <= top[i] || top[i] != top[i])) top[i] = v[i];
  }
  const auto& under = o.amsgrad ? s.vmax : s.v;
  const auto root = o.arithmetic == "torch" ? at::sqrt(under) : at::empty_like(under);
  auto* r = root.template mutable_data_ptr<C>();
  if (o.arithmetic != "torch") {
    for (std::int64_t i = 0; i < s.param.numel(); ++i) r[i] = std::sqrt(under.template const_data_ptr<C>()[i]);
  }
  for (std::int64_t i = 0; i < s.param.numel(); ++i) {
    const C kept = o.decay != 0 ? p[i] * keep : p[i];
    p[i] = kept + (ns * m[i]) / (r[i] / q + eps);
  }
}

void reference(const State& s, const Settings& o) {
  if (s.param.scalar_type() == at::kDouble) {
    reference<double>(s, o);
  } else {
    reference<float>(s, o);
  }
}

std::vector<Settings> variants() {
  std::vector<Settings> all;
  for (const auto* arithmetic : {"fused", "torch"}) {
    Settings o;
    o.arithmetic = arithmetic;
    all.push_back(o);
    for (const auto& change : std::vector<std::function<void(Settings&)>>{
             [](Settings& x) { x.amsgrad = true; }, [](Settings& x) { x.maximize = true; },
             [](Settings& x) { x.decay = 0; }, [](Settings& x) { x.grad_scale = 0.37; },
             [](Settings& x) { x.beta1 = 0.3; }, [](Settings& x) { x.eps = 1e-2; }, [](Settings& x) { x.count = 7; },
             [](Settings& x) { x.lr = 1e-3; }, [](Settings& x) { x.beta2 = 0.9; }}) {
      all.push_back(o);
      change(all.back());
    }
  }
  return all;
}

}  // namespace

TEST_CASE("adamw: the formula equals the reference bit for bit at every size") {
  auto random = random_engine(10);
  for (const auto type : {at::kFloat, at::kDouble}) {
    for (const std::int64_t n : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 71, 1003}) {
      const auto start = State::random({n}, random, type);
      for (const auto& o : variants()) {
        const auto ours = start.copy(), theirs = start.copy();
        step(ours, o, n % 2 == 0 ? Formulas::replayed : Formulas::compiled);
        reference(theirs, o);
        CHECK(same(ours, theirs));
        CHECK(same_bits(ours.grad, start.grad));
      }
    }
  }
}

TEST_CASE("adamw: zeros, denormals, huge values, infinities and NaNs agree with the reference") {
  const auto odd =
      at::tensor({0.0, -0.0, 1e-45, -1e-40, 1e-38, 1e-20, 1.0, -1e19, 3e38, -3e38, INFINITY, -INFINITY}, at::kFloat);
  const auto k = odd.numel();
  const State start{odd.repeat({k}), odd.repeat_interleave(k), odd.flip(0).repeat({k}),
                    odd.abs().repeat_interleave(k).flip(0), odd.abs().repeat({k})};
  for (const auto& o : variants()) {
    for (const auto formulas : {Formulas::compiled, Formulas::replayed}) {
      const auto ours = start.copy(), theirs = start.copy();
      step(ours, o, formulas);
      reference(theirs, o);
      // NaN payloads and signs are not part of the contract.
      for (const auto& [a, b] :
           {std::pair{ours.param, theirs.param}, {ours.m, theirs.m}, {ours.v, theirs.v}, {ours.vmax, theirs.vmax}}) {
        CHECK(same_bits(at::nan_to_num(a, 77.0, INFINITY, -INFINITY), at::nan_to_num(b, 77.0, INFINITY, -INFINITY)));
        CHECK(at::equal(a.isnan(), b.isnan()));
      }
    }
  }
  const State nan{at::ones({9}), at::ones({9}), at::ones({9}), at::full({9}, NAN), at::ones({9})};
  Settings o;
  o.amsgrad = true;
  step(nan, o);
  CHECK(nan.vmax.isnan().all().item<bool>());  // as torch.maximum
}

TEST_CASE("adamw: cuts, layouts, alignment and threads change no bit") {
  auto random = random_engine(11);
  const auto start = State::random({37, 129}, random);
  for (const auto& o : variants()) {
    const auto whole = start.copy();
    step(whole, o);
    const auto cut = start.copy();
    for (std::int64_t begin = 0; begin < 37 * 129;) {
      const auto length = std::min<std::int64_t>(37 * 129 - begin, 1 + static_cast<std::int64_t>(random() % 700));
      step(cut.mapped([&](const at::Tensor& t) { return t.view({-1}).narrow(0, begin, length); }), o);
      begin += length;
    }
    CHECK(same(cut, whole));
    const auto misaligned = start.mapped([](const at::Tensor& t) {
      return at::empty({t.numel() + 1}).narrow(0, 1, t.numel()).view(t.sizes()).copy_(t);
    });
    step(misaligned, o);
    CHECK(same(misaligned, whole));
    auto turned = start.copy();
    turned.param = turned.param.t().contiguous().t();
    turned.grad = turned.grad.t().contiguous().t();  // torch's fused kernel pairs elements by memory order here
    step(turned, o);
    CHECK(same(turned, whole));
    const testing::Threads one(1);
    const auto serial = start.copy();
    step(serial, o);
    CHECK(same(serial, whole));
  }
}

TEST_CASE("adamw: every option changes the result") {
  auto random = random_engine(12);
  const auto start = State::random({64}, random);
  const auto all = variants();
  const auto half = all.size() / 2;
  for (const std::size_t base : {std::size_t{0}, half}) {
    const auto plain = start.copy();
    step(plain, all[base]);
    for (auto i = base + 1; i < base + half; ++i) {
      const auto changed = start.copy();
      step(changed, all[i]);
      CHECK(!same_bits(changed.param, plain.param));
    }
  }
}

TEST_CASE("adamw: 20 steps give the golden values") {
  struct Golden {
    std::vector<std::int64_t> sizes;
    double sum, norm, first;
  };
  for (const auto& golden : {Golden{{5, 7}, -4.93463844377, 3.38368743579, -0.72804637117},
                             Golden{{3}, -2.22194761267, 1.32387800892, -0.72804637117}}) {
    for (const auto type : {at::kDouble, at::kFloat}) {
      for (const auto* arithmetic : {"fused", "torch"}) {
        const auto p = testing::portable(100, golden.sizes).to(type);
        const State s{p, p, at::zeros_like(p), at::zeros_like(p), at::zeros_like(p)};
        Settings o;
        o.lr = 1e-3;
        o.decay = 1e-5;
        o.arithmetic = arithmetic;
        for (o.count = 1; o.count <= 20; ++o.count) {
          auto now = s;
          now.grad = testing::portable(199 + static_cast<std::uint64_t>(o.count), golden.sizes).to(type);
          step(now, o);
        }
        const double tolerance = type == at::kDouble ? 1e-10 : 2e-5;  // the golden values' own
        CHECK(p.sum().item<double>() == doctest::Approx(golden.sum).epsilon(tolerance));
        CHECK(p.norm().item<double>() == doctest::Approx(golden.norm).epsilon(tolerance));
        CHECK(p.flatten()[0].item<double>() == doctest::Approx(golden.first).epsilon(tolerance));
      }
    }
  }
}

TEST_CASE("adamw: a half-precision parameter without a master is the rounded float32 step") {
  auto random = random_engine(14);
  const auto start = State::random({100}, random);
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    State narrow = start.copy(), wide = start.copy();
    narrow.param = narrow.param.to(type);
    narrow.grad = narrow.grad.to(type);
    wide.param = narrow.param.to(at::kFloat);
    wide.grad = narrow.grad.to(at::kFloat);
    step(narrow, {});
    step(wide, {});
    CHECK(same_bits(narrow.param, wide.param.to(type)));
    CHECK(same_bits(narrow.m, wide.m));
  }
}
