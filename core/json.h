#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/diagnostics.h"

namespace switchyard {

/// A JSON value that remembers where it stood. The only JSON that the rest of the project sees: strict on the way in
/// (duplicate keys, U+0000, trailing data, depth and size are refused), with checked numbers (nothing is converted
/// silently), and deterministic on the way out (members in the order given, numbers in the shortest form that reads
/// back equal).
class Json {
 public:
  enum class Kind : std::uint8_t { null, boolean, integer, real, string, array, object };
  struct Member;

  Json();
  ~Json();
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  static Json null();
  static Json boolean(bool value);
  static Json integer(std::int64_t value);
  static Json real(double value);
  static Json string(std::string value);
  static Json array();
  static Json object();

  Kind kind() const { return static_cast<Kind>(value_.index()); }
  bool is(Kind one) const { return kind() == one; }
  /// An integer or a real: JSON numbers as a user thinks of them.
  bool is_number() const { return is(Kind::integer) || is(Kind::real); }
  /// "null", "boolean", "integer", "number", "string", "array", "object", with an article where it reads well in a
  /// sentence.
  std::string_view kind_name() const;

  /// Checked access; the wrong kind is a programming error and throws std::logic_error.
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_double() const;  ///< of an integer or a real
  const std::string& as_string() const;

  const std::vector<Json>& items() const;      ///< of an array, else empty
  const std::vector<Member>& members() const;  ///< of an object, else empty
  const Json* find(std::string_view key) const;
  std::size_t size() const;

  Json& push(Json value);                  ///< appends to an array
  Json& set(std::string key, Json value);  ///< appends to an object; the caller keeps keys unique
  Json& set(std::string key, std::string value) { return set(std::move(key), string(std::move(value))); }

  /// The bytes of the value in its source; `text` of a number as written. Empty for values made in code.
  Span span() const;
  /// Set by the parser for integers beyond int64: such a number is `real` with this flag, so that readers can refuse
  /// it.
  bool overflowed_integer() const { return overflowed_ != 0; }

 private:
  friend class JsonBuilder;
  /// In the order of Kind.
  using Value =
      std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<Json>, std::vector<Member>>;
  Value value_;
  // A model's parameter list has a million values: what each of them knows of its place is kept small.
  const std::string* file_ = nullptr;  ///< one of few, kept for the life of the program; null for values made in code
  std::uint32_t offset_ = 0;
  std::uint32_t length_ : 31 = 0;
  std::uint32_t overflowed_ : 1 = 0;
};

struct Json::Member {
  std::string key;
  std::uint32_t key_offset = 0;
  std::uint32_t key_length = 0;
  Json value;

  /// The bytes of the key in its source (the file is the value's).
  Span key_span() const { return {value.span().file, key_offset, key_length}; }
};

/// What a text may be at most.
struct JsonLimits {
  std::size_t bytes = std::size_t{64} << 20;  ///< 2^31 - 1 at most
  std::size_t depth = 64;
  std::size_t values = 20'000'000;
};

/// Parses one document. Syntax errors, duplicate keys, U+0000 (raw or escaped), depth and size are added to
/// `diagnostics` with positions; nothing is returned after a syntax error or a broken limit, while duplicate keys keep
/// the first and go on. A UTF-8 byte order mark is refused.
std::optional<Json> parse_json(std::string_view text, const std::string& file, Diagnostics& diagnostics,
                               const JsonLimits& limits = {});

/// Writes a value. `indent` 0 gives one line; otherwise arrays and objects that fit into 110 columns stay on one line.
/// NaN and infinities are written as strings, since JSON has none.
std::string dump_json(const Json& value, int indent = 0);

/// The shortest decimal text that reads back as the same double ("0.1", "1e-08", "3").
std::string shortest(double value);

/// One reference token of a JSON pointer (RFC 6901): '~' and '/' escaped.
std::string pointer_token(std::string_view key);

}  // namespace switchyard
