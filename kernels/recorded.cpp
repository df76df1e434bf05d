#include "kernels/recorded.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace switchyard::kernels {
namespace {

/// Bits of a condition as a number, so that all nodes have one kind of row.
template <class C>
constexpr C truth(bool condition) {
  return condition ? C(1) : C(0);
}

template <class C>
C evaluate(Operation operation, C a, C b, C c) {
  switch (operation) {
    case Operation::add:
      return a + b;
    case Operation::subtract:
      return a - b;
    case Operation::multiply:
      return a * b;
    case Operation::divide:
      return a / b;
    case Operation::negate:
      return -a;
    case Operation::fused_multiply_add:
      return std::fma(a, b, c);
    case Operation::square_root:
      return std::sqrt(a);
    case Operation::magnitude:
      return std::abs(a);
    case Operation::less:
      return truth<C>(a < b);
    case Operation::less_equal:
      return truth<C>(a <= b);
    case Operation::equal:
      return truth<C>(a == b);
    case Operation::both:
      return truth<C>(a != C(0) && b != C(0));
    case Operation::either:
      return truth<C>(a != C(0) || b != C(0));
    case Operation::invert:
      return truth<C>(a == C(0));
    case Operation::choose:
      return a != C(0) ? b : c;
    case Operation::load:
    case Operation::scalar:
      break;
  }
  return C(0);
}

/// How an operation is printed: what stands before, between and after its operands.
std::string printed(const Recording& recording, const Node& node) {
  const auto v = [](std::int32_t i) { return "v" + std::to_string(i); };
  const auto infix = [&](const char* sign) { return v(node.a) + sign + v(node.b); };
  switch (node.operation) {
    case Operation::load:
      return (node.a == recording.scaled ? "gain * x" : "x") + std::to_string(node.a);
    case Operation::scalar:
      return "s" + std::to_string(node.a);
    case Operation::add:
      return infix(" + ");
    case Operation::subtract:
      return infix(" - ");
    case Operation::multiply:
      return infix(" * ");
    case Operation::divide:
      return infix(" / ");
    case Operation::negate:
      return "-" + v(node.a);
    case Operation::fused_multiply_add:
      return "fma(" + v(node.a) + ", " + v(node.b) + ", " + v(node.c) + ")";
    case Operation::square_root:
      return "sqrt(" + v(node.a) + ")";
    case Operation::magnitude:
      return "abs(" + v(node.a) + ")";
    case Operation::less:
      return infix(" < ");
    case Operation::less_equal:
      return infix(" <= ");
    case Operation::equal:
      return infix(" == ");
    case Operation::both:
      return infix(" && ");
    case Operation::either:
      return infix(" || ");
    case Operation::invert:
      return "!" + v(node.a);
    case Operation::choose:
      return v(node.a) + " ? " + v(node.b) + " : " + v(node.c);
  }
  return "?";
}

}  // namespace

void Recording::clear() {
  nodes_.clear();
  scalars_.clear();
  stores_.clear();
  scaled = -1;
}

std::int32_t Recording::add(Operation operation, std::int32_t a, std::int32_t b, std::int32_t c) {
  nodes_.push_back({operation, a, b, c});
  return static_cast<std::int32_t>(nodes_.size()) - 1;
}

std::int32_t Recording::add_scalar(double value) {
  scalars_.push_back(value);
  return add(Operation::scalar, static_cast<std::int32_t>(scalars_.size()) - 1);
}

std::string Recording::text() const {
  std::string out;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    out += "v" + std::to_string(i) + " = " + printed(*this, nodes_[i]) + "\n";
  for (const auto& store : stores_)
    out += "x" + std::to_string(store.operand) + " <- v" + std::to_string(store.node) + "\n";
  return out;
}

template <class C>
void Replay<C>::run(const Recording& recording, void* const* rows, double gain, std::int64_t n) {
  const auto& nodes = recording.nodes();
  values_.resize(nodes.size());
  const auto at = [&](std::int32_t node) -> const C* {
    return node < 0 ? values_[0].data() : values_[static_cast<std::size_t>(node)].data();
  };
  for (std::int64_t begin = 0; begin < n; begin += kLanes) {
    const auto lanes = std::min(kLanes, n - begin);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto& node = nodes[i];
      C* to = values_[i].data();
      if (node.operation == Operation::load) {
        const C* from = static_cast<const C*>(rows[node.a]) + begin;
        const auto factor = static_cast<C>(gain);
        for (std::int64_t l = 0; l < lanes; ++l) to[l] = node.a == recording.scaled ? factor * from[l] : from[l];
      } else if (node.operation == Operation::scalar) {
        std::fill_n(to, lanes, static_cast<C>(recording.scalars()[static_cast<std::size_t>(node.a)]));
      } else {
        const C* a = at(node.a);
        const C* b = at(node.b);
        const C* c = at(node.c);
        for (std::int64_t l = 0; l < lanes; ++l) to[l] = evaluate(node.operation, a[l], b[l], c[l]);
      }
    }
    for (const auto& store : recording.stores())
      std::copy_n(at(store.node), lanes, static_cast<C*>(rows[store.operand]) + begin);
  }
}

template class Replay<float>;
template class Replay<double>;

}  // namespace switchyard::kernels
