#include "core/plugin/elementwise.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <deque>

#include "tests/kernels/values.h"
#include "tests/support/hand_made_piece.h"

using namespace switchyard;
using testing::gaussian;
using testing::HandMadePiece;
using testing::same_bits;

namespace {

Step step_of(double grad_scale = 1, Formulas formulas = Formulas::compiled) {
  return Step(0, GradScale(grad_scale), nullptr, typeid(void), formulas);
}

/// Rounds several times, chooses, and uses every kind of operand: a wrong order or a contraction would show.
void mix(Pieces pieces, const Step& step) {
  elementwise(pieces, step, operands(inout(piece::param), in(piece::grad), inout(piece::state(0)), out(piece::work)),
              [](const Numbers& at, auto real) {
                const auto third = real(1.0 / 3.0), lr = real(at.lr), zero = real(0);
                return [=](auto& p, auto g, auto& m, auto& u) {
                  m = third * m + g;
                  u = m / (abs(p) + third);
                  p = select(u > zero && !(m == zero), p - lr * u, fma(lr, sqrt(abs(m)), p)) + sign(g) * lr;
                };
              });
}

/// The same written with ATen's float operations.
struct Mixed {
  at::Tensor param, state, work;
};
Mixed mixed_by_aten(const at::Tensor& param, const at::Tensor& grad, const at::Tensor& state, float lr) {
  const float third = 1.0F / 3.0F;
  const auto m = state.mul(third).add(grad);
  const auto u = m.div(param.abs().add(third));
  auto root = m.abs().contiguous().clone();  // at::sqrt is not the IEEE root on every processor
  auto* r = root.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < root.numel(); ++i) r[i] = std::sqrt(r[i]);
  // A fused multiply-add rounds once: in double the product of two floats is exact and the sum nearly so.
  const auto fused = root.to(at::kDouble).mul(static_cast<double>(lr)).add(param.to(at::kDouble)).to(at::kFloat);
  const auto p = at::where(u.gt(0).logical_and(m.ne(0)), param.sub(u.mul(lr)), fused).add(grad.sign().mul(lr));
  return {p, m, u};
}

/// The same values in other memory: a permuted, padded, misaligned or sliced copy.
at::Tensor relaid(const at::Tensor& t, int how) {
  switch (how) {
    case 0:
      return t.clone();
    case 1:
      return t.transpose(0, -1).clone(at::MemoryFormat::Contiguous).transpose(0, -1);
    case 2:
      return at::empty({t.numel() + 1}, t.options()).narrow(0, 1, t.numel()).view(t.sizes()).copy_(t);
    case 3: {
      std::vector<std::int64_t> wide(t.sizes().begin(), t.sizes().end());
      wide.back() = 2 * wide.back() + 3;
      return at::empty(wide, t.options()).slice(-1, 1, 1 + 2 * t.size(-1), 2).copy_(t);
    }
    default:
      return at::stack({t, t}, 0).select(0, 1);
  }
}

}  // namespace

TEST_CASE("elementwise: equals ATen's own arithmetic, element by element") {
  auto random = testing::random_engine(2);
  for (const std::int64_t n : {1, 7, 63, 64, 65, 1000, 4097, 100003}) {
    const auto p = gaussian({n}, random), g = gaussian({n}, random), m = gaussian({n}, random);
    const auto expected = mixed_by_aten(p, g, m, 0.25F);
    for (const auto formulas : {Formulas::compiled, Formulas::replayed}) {
      const auto param = p.clone(), state = m.clone(), work = at::empty({n});
      HandMadePiece made(param, {}, g, work, {state}, {.lr = 0.25});
      mix(made.pieces(), step_of(1, formulas));
      INFO("elements ", n, std::string(formulas == Formulas::replayed ? ", replayed" : ""));
      CHECK(same_bits(state, expected.state));
      CHECK(same_bits(work, expected.work));
      CHECK(same_bits(param, expected.param));
    }
  }
}

TEST_CASE("elementwise: bits depend on no layout or dtype of any operand") {
  auto random = testing::random_engine(3);
  for (const auto& sizes :
       std::vector<std::vector<std::int64_t>>{{1}, {7}, {1024}, {5, 7}, {3, 1, 11}, {70, 33}, {4, 300, 5}, {1, 2049}}) {
    for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const auto p = gaussian(sizes, random, type), g = gaussian(sizes, random, type), m = gaussian(sizes, random);
      const auto param = p.clone(), state = m.clone(), work = at::empty(sizes);
      HandMadePiece made(param, {}, g, work, {state}, {.lr = 0.1});
      mix(made.pieces(), step_of());
      for (int how = 0; how < 5; ++how) {
        for (int other = 0; other < 5; ++other) {
          const auto param2 = relaid(p, how), state2 = relaid(m, other), work2 = relaid(at::zeros(sizes), how);
          HandMadePiece again(param2, {}, relaid(g, other), work2, {state2}, {.lr = 0.1});
          mix(again.pieces(), step_of(1, other == 3 ? Formulas::replayed : Formulas::compiled));
          INFO("sizes ", sizes.size(), " x ", sizes[0], ", layouts ", how, " and ", other, ", ", c10::toString(type));
          CHECK(same_bits(param2, param));
          CHECK(same_bits(state2, state));
          CHECK(same_bits(work2, work));
        }
      }
    }
  }
}

TEST_CASE("elementwise: any number of pieces, cuts and threads give the same bits") {
  auto random = testing::random_engine(4);
  const std::int64_t n = 300007;
  const auto p = gaussian({n}, random), g = gaussian({n}, random), m = gaussian({n}, random);
  const auto param = p.clone(), state = m.clone(), work = at::empty({n});
  HandMadePiece whole(param, {}, g, work, {state}, {.lr = 0.1});
  {
    const testing::Threads one(1);
    mix(whole.pieces(), step_of());
  }
  for (const int threads : {1, 2, 3, 4}) {
    const testing::Threads limit(threads);
    const auto param2 = p.clone(), state2 = m.clone(), work2 = at::empty({n});
    std::deque<HandMadePiece> made;
    std::vector<Piece> pieces;
    for (std::int64_t begin = 0; begin < n;) {
      const auto length = std::min<std::int64_t>(n - begin, static_cast<std::int64_t>(random() % 40000));
      const auto part = [&](const at::Tensor& t) { return t.narrow(0, begin, length); };
      made.emplace_back(part(param2), at::Tensor(), part(g), part(work2), std::vector<at::Tensor>{part(state2)},
                        Numbers{.lr = 0.1});
      pieces.push_back(made.back().piece());
      begin += length;
    }
    mix(pieces, step_of());
    INFO("threads ", threads, ", pieces ", pieces.size());
    CHECK(same_bits(param2, param));
    CHECK(same_bits(state2, state));
    CHECK(same_bits(work2, work));
  }
}

TEST_CASE("elementwise: each piece has its own numbers, and equal numbers one formula") {
  const auto a = at::ones({4}), b = at::ones({4}), c = at::ones({4}), g = at::ones({4});
  HandMadePiece first(a, {}, g, {}, {}, {.lr = 1}), second(b, {}, g, {}, {}, {.lr = 1}),
      third(c, {}, g, {}, {}, {.lr = 2});
  std::vector<Piece> pieces = {first.piece(), second.piece(), third.piece()};
  int made = 0;
  const testing::Threads one(1);
  elementwise(Pieces(pieces), step_of(), operands(inout(piece::param), in(piece::grad)),
              [&](const Numbers& at, auto real) {
                ++made;
                const auto lr = real(at.lr);
                return [=](auto& p, auto x) { p = p + lr * x; };
              });
  CHECK(made == 2);
  CHECK(a.eq(2).all().item<bool>());
  CHECK(b.eq(2).all().item<bool>());
  CHECK(c.eq(3).all().item<bool>());
}

TEST_CASE("elementwise: the gradient is multiplied by grad_scale, rounded once, and is never written") {
  auto random = testing::random_engine(5);
  const auto g = gaussian({70}, random);
  const auto before = g.clone(), p = at::zeros({70});
  HandMadePiece made(p, {}, g, {}, {}, {});
  for (const auto formulas : {Formulas::compiled, Formulas::replayed}) {
    elementwise(made.pieces(), step_of(0.1, formulas), operands(out(piece::param), in(piece::grad)),
                [](const Numbers&, auto) { return [](auto& to, auto x) { to = x; }; });
    CHECK(same_bits(p, before.mul(static_cast<float>(0.1))));
    CHECK(same_bits(g, before));
  }
}

TEST_CASE("elementwise: a master keeps its extra bits, takes what others wrote, and is rounded into the parameter") {
  auto random = testing::random_engine(6);
  for (const auto half : {at::kBFloat16, at::kHalf}) {
    for (const bool turned : {false, true}) {
      const auto start = gaussian({37, 29}, random);
      auto stored = start.to(half);
      const auto master = start.clone();
      const float written[] = {3.5F, 0.0F, -INFINITY, NAN};
      auto expected = start.clone();
      for (std::int64_t i = 0; i < 4; ++i) {
        stored[5 * i][7 * i].fill_(written[i]);
        expected[5 * i][7 * i].fill_(written[i]);
      }
      if (turned) stored = stored.t().contiguous().t();
      HandMadePiece made(master, stored, {}, {}, {}, {});
      elementwise(made.pieces(), step_of(), operands(inout(piece::param)), [](const Numbers&, auto real) {
        const auto one = real(1);
        return [=](auto& p) { p = p + one; };
      });
      expected = expected.add(1.0F);
      CHECK(same_bits(master.nan_to_num(77.0), expected.nan_to_num(77.0)));
      CHECK(
          same_bits(stored.to(at::kFloat).nan_to_num(77.0).to(half).contiguous(), expected.nan_to_num(77.0).to(half)));
      // Read only, it is not brought up to date.
      const auto frozen = start.clone();
      auto foreign = start.add(1.0F).to(half);
      const auto copy = at::empty({37, 29});
      HandMadePiece looked(frozen, foreign, {}, copy, {}, {});
      elementwise(looked.pieces(), step_of(), operands(in(piece::param), out(piece::work)),
                  [](const Numbers&, auto) { return [](auto p, auto& u) { u = p; }; });
      CHECK(same_bits(frozen, start));
      CHECK(same_bits(copy.to(half), foreign));
      // As a tensor: up to date at once, rounded by the executor later.
      const auto tensor = looked.piece().parameter();
      CHECK(looked.piece().rounds_later);
      CHECK(same_bits(tensor.to(half), foreign));
    }
  }
}

TEST_CASE("elementwise: encoded state is decoded and encoded chunk by chunk, whatever the threads") {
  auto random = testing::random_engine(7);
  for (const std::int64_t chunk : {1, 3, 32, 256, 1500, 4096}) {
    const std::int64_t n = chunk < 32 ? 3001 : 70001;
    const auto g = gaussian({n}, random);
    at::Tensor codes, scales;
    for (const int threads : {1, 2, 4}) {
      const testing::Threads limit(threads);
      const auto c = at::full({n}, 128, at::kByte);
      const auto s = at::zeros({(n + chunk - 1) / chunk});
      HandMadePiece made(at::zeros({n}), {}, g, {}, {at::zeros({n})}, {});
      std::vector<kernels::View> state(1);
      state[0].data = c.mutable_data_ptr();
      state[0].dtype = at::kByte;
      state[0].codec = kernels::Codec::absmax_u8;
      state[0].scales = s.mutable_data_ptr<float>();
      state[0].chunk = chunk;
      made.piece().state = state;
      elementwise(made.pieces(), step_of(), operands(in(piece::grad), inout(piece::state(0))),
                  [](const Numbers&, auto) { return [](auto x, auto& m) { m = m + x; }; });
      if (threads == 1) {
        codes = c;
        scales = s;
        // The oracle: the largest magnitude of each chunk, and codes within half a step of the values.
        for (std::int64_t k = 0; k * chunk < n; ++k) {
          const auto part = g.narrow(0, k * chunk, std::min(chunk, n - k * chunk));
          const auto scale = part.abs().max().item<float>();
          if (s[k].item<float>() != scale) FAIL("a scale is not the largest magnitude");
          const auto decoded = c.narrow(0, k * chunk, part.numel()).to(at::kFloat).sub(128).mul(scale / 127);
          if (decoded.sub(part).abs().max().item<float>() > 0.501F * scale / 127) FAIL("a code is not the nearest");
        }
      }
      CHECK(same_bits(c, codes));
      CHECK(same_bits(s, scales));
    }
  }
}

TEST_CASE("elementwise: double work is rounded to the half types once") {
  // Exactly between two bfloat16 values but for a bit far below float's last place.
  const auto wide = at::full({3}, 1.0 + 0x1p-8 + 0x1p-40, at::kDouble);
  const auto narrow = at::zeros({3}, at::kBFloat16);
  HandMadePiece made(wide, {}, {}, narrow, {}, {});
  elementwise(made.pieces(), step_of(), operands(in(piece::param), out(piece::work)),
              [](const Numbers&, auto) { return [](auto x, auto& y) { y = x; }; });
  CHECK(narrow[0].item<float>() == 1.0F + 0x1p-7F);
}

TEST_CASE("elementwise: misuse is refused before anything is written") {
  const auto one = [](const Numbers&, auto real) {
    const auto value = real(1);
    return [=](auto& p, auto) { p = value; };
  };
  const auto p = at::zeros({3});
  HandMadePiece no_state(p, {}, at::zeros({3}), {}, {}, {});
  CHECK_THROWS_AS(elementwise(no_state.pieces(), step_of(), operands(inout(piece::param), in(piece::state(0))), one),
                  std::logic_error);
  HandMadePiece integers(p, {}, at::zeros({3}, at::kInt), {}, {}, {});
  CHECK_THROWS_AS(elementwise(integers.pieces(), step_of(), operands(inout(piece::param), in(piece::grad)), one),
                  std::invalid_argument);
  HandMadePiece nothing(p, {}, {}, {}, {}, {});
  CHECK_THROWS_AS(elementwise(nothing.pieces(), step_of(), operands(inout(piece::param), in(piece::grad)), one),
                  std::invalid_argument);
  const auto expanded = at::zeros({1}).expand({3});
  HandMadePiece shared(expanded, {}, at::zeros({3}), {}, {}, {});
  CHECK_THROWS_AS(elementwise(shared.pieces(), step_of(), operands(inout(piece::param), in(piece::grad)), one),
                  std::invalid_argument);
  CHECK(p.eq(0).all().item<bool>());
  elementwise(Pieces(), step_of(), operands(inout(piece::param), in(piece::grad)), one);  // nothing to do
}
