#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/diagnostics.h"
#include "core/json.h"
#include "core/option.h"
#include "rules/documents.h"
#include "rules/grammar.h"
#include "rules/variables.h"

namespace switchyard {

/// A value inside a document, as a chain on the stack: its pointer is spelled only when a message needs it.
/// A node must not outlive its parent.
class Node {
 public:
  /// `documents`: of a root that was put together from several files; a pointer is then that of the value in its file.
  explicit Node(const Json& root, const Documents* documents = nullptr) : json_(&root), documents_(documents) {}
  Node(const Node& parent, const Json::Member& member)
      : json_(&member.value), parent_(&parent), member_(&member), documents_(parent.documents_) {}
  Node(const Node& parent, std::size_t index)
      : json_(&parent.json().items()[index]), parent_(&parent), index_(index), documents_(parent.documents_) {}

  const Json& json() const { return *json_; }
  std::optional<Node> child(std::string_view key) const;
  bool has(std::string_view key) const { return json_->find(key) != nullptr; }
  /// The key under which the value stands; "" for elements and the root.
  std::string_view key() const { return member_ == nullptr ? std::string_view() : std::string_view(member_->key); }

  std::string pointer() const;
  Place place() const { return {json_->span(), pointer()}; }
  /// The bytes of the key, with the value's pointer.
  Place key_place() const { return member_ == nullptr ? place() : Place{member_->key_span(), pointer()}; }

 private:
  const Json* json_;
  const Node* parent_ = nullptr;
  const Json::Member* member_ = nullptr;
  std::size_t index_ = 0;
  const Documents* documents_ = nullptr;
};

/// Typed, checked reading: what is wrong is reported with what was expected, and then nothing is returned.
/// `what` names the value in messages ("`lr`").
class Reader {
 public:
  Reader(std::string_view text, Diagnostics& diagnostics) : text_(text), diagnostics_(diagnostics) {}

  /// False (and reported) unless the value is an object; reports unknown and unsupported keys. `options` gives
  /// the names of options of plugins that may stand below it, when a finding needs them.
  bool object(const Node& node, const Spot& spot, const std::function<std::vector<std::string>()>& options = {});
  bool array(const Node& node, const std::string& what, std::size_t at_least = 0);
  std::optional<std::string> text(const Node& node, const std::string& what);
  /// A text that is not empty, has no control characters and at most 200 bytes.
  std::optional<std::string> id(const Node& node, const std::string& what);
  std::optional<bool> boolean(const Node& node, const std::string& what);
  std::optional<std::int64_t> integer(const Node& node, const std::string& what,
                                      std::int64_t low = std::numeric_limits<std::int64_t>::min(),
                                      std::int64_t high = std::numeric_limits<std::int64_t>::max());
  std::optional<double> number(const Node& node, const std::string& what, const Interval& interval = {});
  /// One of `legal`.
  std::optional<std::string> choice(const Node& node, const std::string& what, const std::vector<std::string>& legal);
  /// A text or a list of texts, not empty; calls visit(node, text) for each.
  template <class Visit>
  bool texts(const Node& node, const std::string& what, Visit&& visit) {
    if (!node.json().is(Json::Kind::array)) {
      const auto one = text(node, what);
      if (one) visit(node, *one);
      return one.has_value();
    }
    bool good = array(node, what, 1);
    for (std::size_t i = 0; i < node.json().size(); ++i) {
      const Node item(node, i);
      const auto one = text(item, what);
      if (one) visit(item, *one);
      good = good && one.has_value();
    }
    return good;
  }
  /// True if `object()` reported an unknown key of this object that was probably meant to be `key`, or to stand under
  /// it: that `key` is missing, or what follows from that, is then the same mistake and not reported again.
  bool meant(const Node& object, std::string_view key) const;
  /// The member, or a report that it is missing.
  std::optional<Node> require(const Node& object, std::string_view key, const std::string& what);

  /// A finding at a `$name` also shows where the variable has its value; one at an unknown or broken variable is not
  /// reported, since that is.
  Diagnostic& error(std::string code, std::string message, const Place& place);
  void wrong_type(const Node& node, const std::string& what, const std::string& expected);
  /// A feature of a later build, with its own code.
  void unsupported(const LaterFeature& feature, const Place& place);
  /// A version key: must be the integer 1.
  bool version(const Node& object, std::string_view key, const std::string& what);

  /// The place of bytes [offset, offset + length) of a string's decoded value inside the source.
  Place inside(const Node& string_node, std::size_t offset, std::size_t length) const;
  /// Values behind `$name`, by name.
  void set_variables(const Variables* variables) { variables_ = variables; }
  const Variables* variables() const { return variables_; }
  /// The name in the reference "$name" that a value at a place came from, "" if it came from none.
  std::string_view variable_at(const Span& span) const;
  /// Texts of files other than the one that the reader was made with, by name.
  void set_sources(const Sources* sources) { sources_ = sources; }
  Diagnostics& diagnostics() { return diagnostics_; }
  std::string_view source_of(const Span& span) const;

 private:
  std::string_view text_;
  Diagnostics& diagnostics_;
  std::unordered_map<const Json*, std::vector<std::string>> meant_;  ///< by object: what its unknown keys resemble
  const Variables* variables_ = nullptr;
  const Sources* sources_ = nullptr;
  Diagnostic unheard_;
};

/// A value for a message: its JSON on one line, cut to 60 bytes.
std::string shown(const Json& value);
/// A key or name for a message, cut to 80 bytes.
std::string shown(std::string_view text);
/// "did you mean `x`?", or "" if nothing is near.
std::string did_you_mean(std::string_view given, const std::vector<std::string>& candidates);
/// "a, b, c".
std::string listed(const std::vector<std::string>& values);

}  // namespace switchyard
