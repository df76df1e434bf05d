#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/plugin/optimizer.h"
#include "kernels/elementwise.h"
#include "kernels/recorded.h"

/// A plugin's formula, written once for one element:
///
///   elementwise(pieces, step, operands(inout(piece::param), in(piece::grad), inout(piece::state(0))), [&](const
///   Numbers& at, auto real) {
///     const auto mu = real(o.momentum), keep = real(1 - at.decay), lr = real(at.lr);
///     return [=](auto& p, auto g, auto& m) {
///       m = mu * m + g;
///       p = p * keep - lr * m;
///     };
///   });
///
/// The outer function is called once for pieces with equal numbers: real(x) is x rounded once to the compute type
/// (float32; float64 for float64 parameters). The inner one is straight-line arithmetic on one element: + - * /,
/// fma, sqrt, abs, sign, comparisons, && || ! and select(condition, yes, no); each operation rounds once. A branch on
/// an element's value does not compile (for the same reason Formulas::replayed works: it is also called with values
/// that write down what is done to them); a branch on an option does, in the outer function or on a captured bool.
///
/// What no plugin writes: g comes multiplied by the step's grad_scale; values are converted to the compute type when
/// read and rounded once when written; a master is brought up to date when read, and rounded into the stored parameter
/// when written; encoded state is decoded and encoded.
namespace switchyard {

using kernels::abs;
using kernels::fma;
using kernels::select;
using kernels::sign;
using kernels::sqrt;

/// What an operand of a formula is of a piece.
struct ParamOperand {};
struct GradOperand {};
struct WorkOperand {};
struct StateOperand {
  std::size_t index;
};
/// Memory of the caller's, packed: one view a piece, in the order of the pieces.
struct ExtraOperand {
  std::span<const kernels::View> views;
};
namespace piece {
inline constexpr ParamOperand param{};
inline constexpr GradOperand grad{};
inline constexpr WorkOperand work{};
constexpr StateOperand state(std::size_t index) { return {index}; }  ///< by declared index
inline ExtraOperand extra(std::span<const kernels::View> views) { return {views}; }
}  // namespace piece

template <class What, kernels::Access How>
struct Operand {
  What what;
  static constexpr kernels::Access access = How;
};
template <class What>
constexpr Operand<What, kernels::Access::in> in(What what) {
  return {what};
}
template <class What>
constexpr Operand<What, kernels::Access::inout> inout(What what) {
  static_assert(!std::is_same_v<What, GradOperand>,
                "gradients are the caller's: a formula reads them and never writes");
  return {what};
}
template <class What>
constexpr Operand<What, kernels::Access::out> out(What what) {
  static_assert(!std::is_same_v<What, GradOperand>,
                "gradients are the caller's: a formula reads them and never writes");
  return {what};
}
template <class... O>
constexpr std::tuple<O...> operands(O... operand) {
  static_assert(sizeof...(O) >= 1 && sizeof...(O) <= kernels::kMaxOperands, "a formula has 1 to 8 operands");
  return {operand...};
}

namespace detail {

/// real(x) while a formula is compiled or recorded.
template <class C>
struct Real {
  C operator()(double x) const { return static_cast<C>(x); }
};
template <>
struct Real<kernels::Value> {
  kernels::Recording* recording;
  kernels::Value operator()(double x) const { return {recording, recording->add_scalar(x)}; }
};

inline kernels::ElementOperand operand_of(const Piece& piece, std::size_t, ParamOperand) {
  return {piece.param, piece.stored};
}
inline kernels::ElementOperand operand_of(const Piece& piece, std::size_t, GradOperand) { return {piece.grad}; }
inline kernels::ElementOperand operand_of(const Piece& piece, std::size_t, WorkOperand) { return {piece.work}; }
inline kernels::ElementOperand operand_of(const Piece& piece, std::size_t, StateOperand state) {
  if (state.index >= piece.state.size() || !piece.state[state.index]) {
    throw std::logic_error("a formula asks for state " + std::to_string(state.index) +
                           ", which does not exist here: is it declared, active, and not an owner's?");
  }
  return {piece.state[state.index]};
}
inline kernels::ElementOperand operand_of(const Piece&, std::size_t index, ExtraOperand extra) {
  return {extra.views[index]};
}

template <class... O>
constexpr int scaled_operand() {
  int found = -1;
  int at = 0;
  ((std::is_same_v<decltype(O::what), GradOperand> ? static_cast<void>(found = at) : static_cast<void>(0), ++at), ...);
  return found;
}

template <class Make, class... O>
struct ElementContext {
  Pieces pieces;
  const Make* make;
  std::tuple<O...> operands;

  static const ElementContext& of(const void* context) { return *static_cast<const ElementContext*>(context); }

  template <class C>
  static void make_formula(const void* context, std::size_t item, void* formula) {
    const auto& self = of(context);
    using Formula = decltype((*self.make)(Numbers{}, Real<C>{}));
    static_assert(sizeof(Formula) <= kernels::kFormulaBytes, "a formula captures too much");
    static_assert(std::is_trivially_copyable_v<Formula> && std::is_trivially_destructible_v<Formula>,
                  "a formula captures numbers only");
    new (formula) Formula((*self.make)(self.pieces[item].at, Real<C>{}));
  }

  template <std::size_t... I>
  static void record_with(const ElementContext& self, std::size_t item, kernels::Recording& out,
                          std::index_sequence<I...>) {
    out.scaled = scaled_operand<O...>();
    const auto formula = (*self.make)(self.pieces[item].at, Real<kernels::Value>{&out});
    // An operand that is only written starts as zero, as in the compiled loop.
    kernels::Value values[sizeof...(I)] = {
        {&out, O::access == kernels::Access::out ? out.add_scalar(0)
                                                 : out.add(kernels::Operation::load, static_cast<std::int32_t>(I))}...};
    formula(values[I]...);
    ((O::access != kernels::Access::in ? out.add_store(static_cast<std::int32_t>(I), values[I].node())
                                       : static_cast<void>(0)),
     ...);
  }

  static void describe(const void* context, std::size_t item, kernels::ElementItem& out) {
    const auto& self = of(context);
    const auto& piece = self.pieces[item];
    out.sizes = piece.sizes;
    out.numel = piece.numel;
    std::apply(
        [&](const auto&... operand) {
          std::size_t k = 0;
          ((out.operands[k++] = operand_of(piece, item, operand.what)), ...);
        },
        self.operands);
  }
};

}  // namespace detail

/// Runs a formula over all pieces, in one parallel region; allocates nothing. Throws std::logic_error where a piece has
/// no such operand, before anything is written.
template <class Make, class... O>
void elementwise(Pieces pieces, const Step& step, const std::tuple<O...>& operands, const Make& make) {
  if (pieces.empty()) return;
  using Context = detail::ElementContext<Make, O...>;
  using Accesses = kernels::detail::Accesses<O::access...>;
  constexpr int scaled = detail::scaled_operand<O...>();
  const Context context{pieces, &make, operands};
  kernels::ElementCall call;
  call.items = pieces.size();
  call.operands = sizeof...(O);
  call.access = {O::access...};
  call.wide = pieces.front().param.dtype == at::kDouble;
  call.gain = static_cast<double>(step.grad_scale);
  call.replayed = step.formulas == Formulas::replayed;
  call.context = &context;
  call.numel = [](const void* c, std::size_t i) { return Context::of(c).pieces[i].numel; };
  call.describe = &Context::describe;
  call.same_numbers = [](const void* c, std::size_t a, std::size_t b) {
    return Context::of(c).pieces[a].at == Context::of(c).pieces[b].at;
  };
  call.record = [](const void* c, std::size_t i, kernels::Recording& out) {
    Context::record_with(Context::of(c), i, out, std::index_sequence_for<O...>());
  };
  if (call.wide) {
    using Formula = decltype(make(Numbers{}, detail::Real<double>{}));
    call.make = &Context::template make_formula<double>;
    call.loop = kernels::detail::best_loop<double, scaled, Accesses, Formula>();
  } else {
    using Formula = decltype(make(Numbers{}, detail::Real<float>{}));
    call.make = &Context::template make_formula<float>;
    call.loop = kernels::detail::best_loop<float, scaled, Accesses, Formula>();
  }
  kernels::run(call);
}

/// The finish of plugins whose work is an update u: p <- r(r(p r(1 - decay)) - r(r(lr) u)), with r() one rounding.
void apply_update(Pieces pieces, const Step& step);

}  // namespace switchyard
