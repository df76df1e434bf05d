#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// Why an expression cannot be used. `offset` and `length` are bytes of the expression's text.
struct WhereError {
  std::string message;
  std::string help;
  std::size_t offset = 0;
  std::size_t length = 1;
};

/// A condition on one tensor, written as an expression: "ndim == 2 and aspect <= 128 and not (numel < 4096)".
///
/// or, and, not (also ||, &&, !); < <= > >= == !=; + - * / and unary -; parentheses; integers and reals; min(a, b,
/// ...), max(a, b, ...), sqrt(a), abs(a), size(k). `$name` is a number of `vars`. Names:
///   ndim, numel        always
///   size(k)            size of axis k, if there is one
///   rows, cols         sizes of axes 0 and 1 as stored, if ndim is 2
///   aspect             max(rows, cols) / min(rows, cols), if neither is 0
///   fan_out, fan_in    ndim 2: cols and rows of a Conv1D, else rows and cols; modules Conv1d, Conv2d, Conv3d: sizes of
///                      axes 0 and 1 times the kernel's size
///   layer              number of the layer, if the spec's `layers` gives it one
/// Values are doubles. What a tensor does not have, a division by zero and the root of a negative number are unknown; a
/// comparison with something unknown is unknown, `and` is false if one side is false, `or` is true if one side is true
/// (Kleene's logic, so the order of operands never matters), and a condition that stays unknown does not hold.
///
/// At most 1000 bytes and 50 levels of nesting; evaluation takes time linear in the length.
class Where {
 public:
  /// The number behind `$name`, or nothing.
  using Variables = std::function<std::optional<double>(std::string_view)>;

  /// Null when `text` is broken; `error` then says why and where.
  static std::shared_ptr<const Where> compile(const std::string& text, const Variables& variables, WhereError& error);

  struct Facts {
    const std::vector<std::int64_t>& shape;
    std::string_view module;
    std::optional<std::int64_t> layer;
  };
  bool holds(const Facts& facts) const;
  /// "aspect = 3, ndim = 2": the names that it looks at with their values, in order of first use.
  std::string values(const Facts& facts) const;

  const std::string& text() const { return text_; }
  bool looks_at_layers() const;

  enum class Name : std::uint8_t { ndim, numel, rows, cols, aspect, fan_in, fan_out, layer };
  enum class Op : std::uint8_t {
    number,
    name,
    size,
    add,
    subtract,
    multiply,
    divide,
    negate,
    min,
    max,
    sqrt,
    abs,
    less,
    less_equal,
    greater,
    greater_equal,
    equal,
    not_equal,
    both,
    either,
    negation
  };
  /// Operands are numbers of earlier nodes; the last node is the whole.
  struct Node {
    Op op = Op::number;
    double value = 0;  ///< of a number; the axis of a size
    Name name = Name::ndim;
    int left = -1;
    int right = -1;
  };

 private:
  Where() = default;
  std::string text_;
  std::vector<Node> nodes_;
};

}  // namespace switchyard
