#pragma once
/// A formula as a list of operations: what it does when called with values that write down what is done to them. Each
/// operation is one IEEE operation, so a record gives the compiled formula's bits wherever it is run.
///
/// Only straight-line arithmetic can be written down. A branch on an element's value does not compile: a comparison
/// gives a Bool, which is no bool; choose with select(condition, yes, no).

#include <array>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace switchyard::kernels {

enum class Operation : std::uint8_t {
  load,    ///< operand `a` of the element
  scalar,  ///< number `a` of the record
  add,
  subtract,
  multiply,
  divide,
  negate,
  fused_multiply_add,
  square_root,
  magnitude,
  less,
  less_equal,
  equal,
  both,
  either,
  invert,
  choose,  ///< a ? b : c
};

/// A node of the record: its operands are earlier nodes.
struct Node {
  Operation operation;
  std::int32_t a = -1, b = -1, c = -1;
};

/// The operations of one formula, in order, and the nodes whose values are stored in operands.
class Recording {
 public:
  struct Store {
    std::int32_t operand;
    std::int32_t node;
  };

  void clear();
  std::int32_t add(Operation operation, std::int32_t a = -1, std::int32_t b = -1, std::int32_t c = -1);
  std::int32_t add_scalar(double value);
  void add_store(std::int32_t operand, std::int32_t node) { stores_.push_back({operand, node}); }

  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<double>& scalars() const { return scalars_; }
  const std::vector<Store>& stores() const { return stores_; }
  /// The operand that `gain` multiplies on load; -1 for none.
  std::int32_t scaled = -1;

  /// One operation a line, for people: "v4 = v1 * v3".
  std::string text() const;

 private:
  std::vector<Node> nodes_;
  std::vector<double> scalars_;
  std::vector<Store> stores_;
};

class Bool;

/// A number while a formula is recorded.
class Value {
 public:
  Value() = default;
  Value(Recording* recording, std::int32_t node) : recording_(recording), node_(node) {}

  std::int32_t node() const { return node_; }
  Recording* recording() const { return recording_; }
  Value make(Operation operation) const { return {recording_, recording_->add(operation, node_)}; }
  Value make(Operation operation, Value b) const { return {recording_, recording_->add(operation, node_, b.node_)}; }
  Value make(Operation operation, Value b, Value c) const {
    return {recording_, recording_->add(operation, node_, b.node_, c.node_)};
  }
  Value& operator+=(Value b) { return *this = make(Operation::add, b); }
  Value& operator-=(Value b) { return *this = make(Operation::subtract, b); }
  Value& operator*=(Value b) { return *this = make(Operation::multiply, b); }
  Value& operator/=(Value b) { return *this = make(Operation::divide, b); }

 private:
  Recording* recording_ = nullptr;
  std::int32_t node_ = -1;
};

/// A condition while a formula is recorded. It does not convert to bool.
class Bool {
 public:
  Bool(Recording* recording, std::int32_t node) : recording_(recording), node_(node) {}
  std::int32_t node() const { return node_; }
  Bool make(Operation operation, std::int32_t b = -1) const {
    return {recording_, recording_->add(operation, node_, b)};
  }
  Recording* recording() const { return recording_; }

 private:
  Recording* recording_;
  std::int32_t node_;
};

inline Value operator+(Value a, Value b) { return a.make(Operation::add, b); }
inline Value operator-(Value a, Value b) { return a.make(Operation::subtract, b); }
inline Value operator*(Value a, Value b) { return a.make(Operation::multiply, b); }
inline Value operator/(Value a, Value b) { return a.make(Operation::divide, b); }
inline Value operator-(Value a) { return a.make(Operation::negate); }
inline Value fma(Value a, Value b, Value c) { return a.make(Operation::fused_multiply_add, b, c); }
inline Value sqrt(Value a) { return a.make(Operation::square_root); }
inline Value abs(Value a) { return a.make(Operation::magnitude); }
inline Bool compare(Operation operation, Value a, Value b) {
  return {a.recording(), a.recording()->add(operation, a.node(), b.node())};
}
inline Bool operator<(Value a, Value b) { return compare(Operation::less, a, b); }
inline Bool operator>(Value a, Value b) { return compare(Operation::less, b, a); }
inline Bool operator<=(Value a, Value b) { return compare(Operation::less_equal, a, b); }
inline Bool operator>=(Value a, Value b) { return compare(Operation::less_equal, b, a); }
inline Bool operator==(Value a, Value b) { return compare(Operation::equal, a, b); }
inline Bool operator!(Bool a) { return a.make(Operation::invert); }
inline Bool operator!=(Value a, Value b) { return !(a == b); }
inline Bool operator&&(Bool a, Bool b) { return a.make(Operation::both, b.node()); }
inline Bool operator||(Bool a, Bool b) { return a.make(Operation::either, b.node()); }
inline Value select(Bool condition, Value yes, Value no) {
  return {condition.recording(),
          condition.recording()->add(Operation::choose, condition.node(), yes.node(), no.node())};
}
/// A choice that the formula's own options make: it is not recorded.
inline Value select(bool condition, Value yes, Value no) { return condition ? yes : no; }
inline Value sign(Value x) {
  auto& record = *x.recording();
  const Value zero(&record, record.add_scalar(0));
  const Value one(&record, record.add_scalar(1));
  return select(x > zero, one, select(x < zero, -one, zero));
}

/// Runs a record over chunks, in float or double.
template <class C>
class Replay {
 public:
  /// rows: one packed row of C an operand; every operand's row is read where the record loads it, and written where it
  /// stores. The scaled operand is multiplied by gain, rounded to C once. Any n; rows may not overlap.
  void run(const Recording& recording, void* const* rows, double gain, std::int64_t n);

 private:
  static constexpr std::int64_t kLanes = 256;  ///< elements that are taken through all nodes at a time
  std::vector<std::array<C, kLanes>> values_;
};
extern template class Replay<float>;
extern template class Replay<double>;

}  // namespace switchyard::kernels
