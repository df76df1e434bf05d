// A where-expression. What compiles is compared with its definition, written out below as a walk down the tree, on
// shapes of all kinds; written out again with every parenthesis it must mean the same, and the laws of Kleene's logic
// must hold for it. What does not compile is refused with a place inside the text.
#include "rules/where.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/json.h"
#include "rules/where_parser.h"
#include "tests/fuzz/fuzz.h"

namespace switchyard::fuzz {

namespace {

using Op = Where::Op;
using Name = Where::Name;
using Nodes = std::vector<Where::Node>;
using Value = std::optional<double>;

struct Tensor {
  std::vector<std::int64_t> shape;
  const char* module = "";
  std::optional<std::int64_t> layer;

  Where::Facts facts() const { return {shape, module, layer}; }
};

const std::array<Tensor, 12>& tensors() {
  static const std::array<Tensor, 12> out = {{{{}, "", {}},
                                              {{7}, "LayerNorm", 0},
                                              {{8, 4}, "Linear", 2},
                                              {{4, 8}, "Conv1D", 11},
                                              {{3, 3}, "", {}},
                                              {{0, 5}, "Linear", {}},
                                              {{1, 768}, "Linear", 1},
                                              {{16, 8, 3}, "Conv1d", {}},
                                              {{16, 8, 3, 5}, "Conv2d", 3},
                                              {{4, 2, 2, 2, 2}, "Conv3d", {}},
                                              {{8, 64, 32}, "Experts", 2},
                                              {{std::int64_t{1} << 40, std::int64_t{1} << 22}, "Linear", {}}}};
  return out;
}

/// `$n` is 12, `$x_1` is -0.5, and there are no others.
Value variable(std::string_view name) {
  if (name == "n") return 12;
  if (name == "x_1") return -0.5;
  return std::nullopt;
}

Value finite(double value) { return std::isfinite(value) ? Value(value) : std::nullopt; }

Value fact(Name name, const Tensor& tensor) {
  const auto& s = tensor.shape;
  double all = 1;
  for (const auto size : s) all *= static_cast<double>(size);
  const auto at = [&](std::size_t axis) { return static_cast<double>(s[axis]); };
  const bool swapped = std::strcmp(tensor.module, "Conv1D") == 0;
  const bool convolution = std::strlen(tensor.module) == 6 && std::strncmp(tensor.module, "Conv", 4) == 0 &&
                           tensor.module[5] == 'd' && tensor.module[4] == static_cast<char>('0' + s.size() - 2);
  switch (name) {
    case Name::ndim:
      return static_cast<double>(s.size());
    case Name::numel:
      return all;
    case Name::layer:
      return tensor.layer ? Value(static_cast<double>(*tensor.layer)) : std::nullopt;
    case Name::rows:
      return s.size() == 2 ? Value(at(0)) : std::nullopt;
    case Name::cols:
      return s.size() == 2 ? Value(at(1)) : std::nullopt;
    case Name::aspect:
      if (s.size() != 2 || s[0] == 0 || s[1] == 0) return std::nullopt;
      return at(0) < at(1) ? at(1) / at(0) : at(0) / at(1);
    case Name::fan_out:
    case Name::fan_in: {
      const bool out = name == Name::fan_out;
      if (s.size() == 2) return at(out != swapped ? 0 : 1);
      return convolution ? Value(all / at(out ? 1 : 0)) : std::nullopt;  // no such shape here has a zero
    }
  }
  return std::nullopt;
}

Value truth(bool value) { return value ? 1.0 : 0.0; }

/// The definition: operands first, unknown is contagious except where one side alone decides.
Value meaning(const Nodes& nodes, int i, const Tensor& tensor) {
  const auto& node = nodes[static_cast<std::size_t>(i)];
  const auto a = node.left < 0 ? Value() : meaning(nodes, node.left, tensor);
  const auto b = node.right < 0 ? Value() : meaning(nodes, node.right, tensor);
  switch (node.op) {
    case Op::number:
      return node.value;
    case Op::name:
      return fact(node.name, tensor);
    case Op::size: {
      const auto axis = static_cast<std::size_t>(node.value);
      return axis < tensor.shape.size() ? Value(static_cast<double>(tensor.shape[axis])) : std::nullopt;
    }
    case Op::both:
      if (a == 0.0 || b == 0.0) return 0;
      return a && b ? Value(1) : std::nullopt;
    case Op::either:
      if (a == 1.0 || b == 1.0) return 1;
      return a && b ? Value(0) : std::nullopt;
    default:
      break;
  }
  if (!a) return std::nullopt;
  if (node.op == Op::negate) return -*a;
  if (node.op == Op::abs) return std::fabs(*a);
  if (node.op == Op::sqrt) return *a < 0 ? std::nullopt : Value(std::sqrt(*a));
  if (node.op == Op::negation) return truth(*a == 0);
  if (!b) return std::nullopt;
  switch (node.op) {
    case Op::add:
      return finite(*a + *b);
    case Op::subtract:
      return finite(*a - *b);
    case Op::multiply:
      return finite(*a * *b);
    case Op::divide:
      return *b == 0 ? std::nullopt : finite(*a / *b);
    case Op::min:
      return *a < *b ? *a : *b;
    case Op::max:
      return *a > *b ? *a : *b;
    case Op::less:
      return truth(*a < *b);
    case Op::less_equal:
      return truth(*a <= *b);
    case Op::greater:
      return truth(*a > *b);
    case Op::greater_equal:
      return truth(*a >= *b);
    case Op::equal:
      return truth(*a == *b);
    case Op::not_equal:
      return truth(*a != *b);
    default:
      throw std::logic_error("broken promise: an operator has a meaning");
  }
}

/// The expression with every parenthesis and no spaces.
std::string spelled(const Nodes& nodes, int i) {
  const auto& node = nodes[static_cast<std::size_t>(i)];
  const auto of = [&](int operand) { return spelled(nodes, operand); };
  const auto between = [&](const char* sign) { return "(" + of(node.left) + sign + of(node.right) + ")"; };
  const auto call = [&](const std::string& name) {
    return name + "(" + of(node.left) + (node.right < 0 ? "" : "," + of(node.right)) + ")";
  };
  switch (node.op) {
    case Op::number:
      return node.value < 0 ? "(-" + shortest(-node.value) + ")" : shortest(node.value);
    case Op::name:
      return where_names()[static_cast<std::size_t>(node.name)];
    case Op::size:
      return "size(" + shortest(node.value) + ")";
    case Op::add:
      return between("+");
    case Op::subtract:
      return between("-");
    case Op::multiply:
      return between("*");
    case Op::divide:
      return between("/");
    case Op::negate:
      return "(-" + of(node.left) + ")";
    case Op::min:
      return call("min");
    case Op::max:
      return call("max");
    case Op::sqrt:
      return call("sqrt");
    case Op::abs:
      return call("abs");
    case Op::less:
      return between("<");
    case Op::less_equal:
      return between("<=");
    case Op::greater:
      return between(">");
    case Op::greater_equal:
      return between(">=");
    case Op::equal:
      return between("==");
    case Op::not_equal:
      return between("!=");
    case Op::both:
      return between("&&");
    case Op::either:
      return between("||");
    case Op::negation:
      return "(!" + of(node.left) + ")";
  }
  return "";
}

/// Null only where a limit of length or nesting is what refuses it.
std::shared_ptr<const Where> derived(const std::string& text) {
  WhereError error;
  auto out = Where::compile(text, variable, error);
  require(out != nullptr || error.message.find("bytes, more than") != std::string::npos ||
              error.message.find("levels of nesting") != std::string::npos,
          "`" + text + "` compiles: " + error.message);
  return out;
}

void require_same(const std::string& text, const Where& where, const std::string& other) {
  const auto compiled = derived(other);
  if (!compiled) return;
  for (const auto& tensor : tensors())
    require(where.holds(tensor.facts()) == compiled->holds(tensor.facts()), "`" + text + "` means `" + other + "`");
}

}  // namespace

void fuzz_where(std::string_view input) {
  const std::string text(input);
  WhereError error;
  const auto where = Where::compile(text, variable, error);
  WhereError parse_error;
  const auto nodes = parse_where(text, variable, parse_error);
  require((where != nullptr) == nodes.has_value(), "compiling is parsing");
  if (!where) {
    require(!error.message.empty() && error.length >= 1, "a broken expression says why");
    require(text.empty() ? error.offset == 0 : error.offset < text.size() && error.length <= text.size() - error.offset,
            "a broken expression says where: " + error.message);
    return;
  }
  require(where->text() == text, "an expression keeps its text");
  for (std::size_t i = 0; i < nodes->size(); ++i) {
    const auto& node = (*nodes)[i];
    require(node.left < static_cast<int>(i) && node.right < static_cast<int>(i), "operands come first");
  }
  const auto whole = static_cast<int>(nodes->size()) - 1;
  const auto negated = derived("not (" + text + ")");
  for (const auto& tensor : tensors()) {
    const bool holds = where->holds(tensor.facts());
    const auto want = meaning(*nodes, whole, tensor);
    require(holds == (want == 1.0), "`" + text + "` is as defined");
    if (negated) require(negated->holds(tensor.facts()) == (want == 0.0), "what is unknown stays so when negated");
    if (!where->looks_at_layers()) {
      auto moved = tensor;
      moved.layer = 5;
      require(where->holds(moved.facts()) == holds, "an expression without `layer` sees no layers");
    }
    const bool names = std::any_of(nodes->begin(), nodes->end(),
                                   [](const Where::Node& node) { return node.op == Op::name || node.op == Op::size; });
    require(where->values(tensor.facts()).empty() != names, "the names that are looked at are shown");
  }
  require_same(text, *where, spelled(*nodes, whole));
  require_same(text, *where, "!!(" + text + ")");
  require_same(text, *where, "(" + text + ")and(" + text + ")");
  require_same(text, *where, "(" + text + ")or ndim<0");
}

}  // namespace switchyard::fuzz
