#include "rules/where.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/json.h"
#include "rules/where_parser.h"

namespace switchyard {

namespace {

using Value = std::optional<double>;  // of a comparison: 0 or 1; nothing: unknown

Value ratio(Value a, Value b) {
  if (!a || !b || *b == 0) return std::nullopt;
  return *a / *b;
}

Value size(const Where::Facts& facts, std::size_t axis) {
  if (axis >= facts.shape.size()) return std::nullopt;
  return static_cast<double>(facts.shape[axis]);
}

double elements(const Where::Facts& facts, std::size_t from) {
  double out = 1;
  for (auto axis = from; axis < facts.shape.size(); ++axis) out *= static_cast<double>(facts.shape[axis]);
  return out;
}

/// Fan along axis 0 (out) or 1 (in) of a layout that is known.
Value fan(const Where::Facts& facts, std::size_t axis) {
  const auto& shape = facts.shape;
  if (shape.size() == 2) return size(facts, facts.module == "Conv1D" ? 1 - axis : axis);
  constexpr std::array<std::pair<std::string_view, std::size_t>, 3> convolutions = {
      {{"Conv1d", 3}, {"Conv2d", 4}, {"Conv3d", 5}}};
  for (const auto& [module, ndim] : convolutions) {
    if (facts.module == module && shape.size() == ndim) return *size(facts, axis) * elements(facts, 2);
  }
  return std::nullopt;
}

Value value_of(Where::Name name, const Where::Facts& facts) {
  const bool matrix = facts.shape.size() == 2;
  switch (name) {
    case Where::Name::ndim:
      return static_cast<double>(facts.shape.size());
    case Where::Name::numel:
      return elements(facts, 0);
    case Where::Name::rows:
      return matrix ? size(facts, 0) : std::nullopt;
    case Where::Name::cols:
      return matrix ? size(facts, 1) : std::nullopt;
    case Where::Name::aspect:
      if (!matrix) return std::nullopt;
      return ratio(std::max(*size(facts, 0), *size(facts, 1)), std::min(*size(facts, 0), *size(facts, 1)));
    case Where::Name::fan_in:
      return fan(facts, 1);
    case Where::Name::fan_out:
      return fan(facts, 0);
    case Where::Name::layer:
      if (!facts.layer) return std::nullopt;
      return static_cast<double>(*facts.layer);
  }
  return std::nullopt;
}

Value known(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

Value both(Value a, Value b) {
  if ((a && *a == 0) || (b && *b == 0)) return 0;
  if (!a || !b) return std::nullopt;
  return 1;
}

Value either(Value a, Value b) {
  if ((a && *a != 0) || (b && *b != 0)) return 1;
  if (!a || !b) return std::nullopt;
  return 0;
}

Value arithmetic(Where::Op op, double a, double b) {
  using Op = Where::Op;
  switch (op) {
    case Op::add:
      return known(a + b);
    case Op::subtract:
      return known(a - b);
    case Op::multiply:
      return known(a * b);
    case Op::divide:
      return b == 0 ? std::nullopt : known(a / b);
    case Op::min:
      return std::min(a, b);
    case Op::max:
      return std::max(a, b);
    case Op::less:
      return a < b;
    case Op::less_equal:
      return a <= b;
    case Op::greater:
      return a > b;
    case Op::greater_equal:
      return a >= b;
    case Op::equal:
      return a == b;
    case Op::not_equal:
      return a != b;
    default:
      return std::nullopt;
  }
}

Value unary(Where::Op op, Value a) {
  if (!a) return std::nullopt;
  switch (op) {
    case Where::Op::negate:
      return -*a;
    case Where::Op::sqrt:
      return *a < 0 ? std::nullopt : Value(std::sqrt(*a));
    case Where::Op::abs:
      return std::abs(*a);
    case Where::Op::negation:
      return *a == 0;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::shared_ptr<const Where> Where::compile(const std::string& text, const Variables& variables, WhereError& error) {
  auto nodes = parse_where(text, variables, error);
  if (!nodes) return nullptr;
  const std::shared_ptr<Where> out(new Where);
  out->text_ = text;
  out->nodes_ = std::move(*nodes);
  return out;
}

bool Where::holds(const Facts& facts) const {
  // Operands come before the nodes that use them, so one pass does it.
  std::vector<Value> values;
  values.reserve(nodes_.size());
  for (const auto& node : nodes_) {
    const auto left = node.left < 0 ? Value() : values[static_cast<std::size_t>(node.left)];
    const auto right = node.right < 0 ? Value() : values[static_cast<std::size_t>(node.right)];
    switch (node.op) {
      case Op::number:
        values.emplace_back(node.value);
        break;
      case Op::name:
        values.push_back(value_of(node.name, facts));
        break;
      case Op::size:
        values.push_back(size(facts, static_cast<std::size_t>(node.value)));
        break;
      case Op::both:
        values.push_back(both(left, right));
        break;
      case Op::either:
        values.push_back(either(left, right));
        break;
      case Op::negate:
      case Op::sqrt:
      case Op::abs:
      case Op::negation:
        values.push_back(unary(node.op, left));
        break;
      default:
        values.push_back(left && right ? arithmetic(node.op, *left, *right) : std::nullopt);
    }
  }
  return values.back().value_or(0) != 0;
}

std::string Where::values(const Facts& facts) const {
  std::vector<std::string> seen;
  std::string out;
  for (const auto& node : nodes_) {
    if (node.op != Op::name && node.op != Op::size) continue;
    const auto name = node.op == Op::name ? std::string(where_names()[static_cast<std::size_t>(node.name)])
                                          : fmt::format("size({})", node.value);
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
    seen.push_back(name);
    const auto value =
        node.op == Op::name ? value_of(node.name, facts) : size(facts, static_cast<std::size_t>(node.value));
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, value ? shortest(*value) : "unknown");
  }
  return out;
}

bool Where::looks_at_layers() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const Node& node) { return node.op == Op::name && node.name == Name::layer; });
}

}  // namespace switchyard
