#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "rules/grammar.h"

/// What JSON Schemas (draft-07) are put together from.
namespace switchyard::schema {

Json text_list(const std::vector<std::string>& texts);
template <class... Items>
Json list(Items... items) {
  auto out = Json::array();
  (out.push(std::move(items)), ...);
  return out;
}

/// The schema with one more keyword; with a description.
Json with(Json schema, std::string key, Json value);
Json described(Json schema, std::string text);

Json of_type(std::string type, std::string text = "");
Json enumeration(const std::vector<std::string>& values, std::string text = "");
Json constant(Json value, std::string text = "");
Json integer(std::int64_t least, std::string text);
Json number(std::int64_t least, std::string text);
/// A number >= 0 that was computed, and may have overflowed: JSON has no infinities, so they are texts.
Json measured_number(std::string text);
Json pattern(std::string expression, std::string text = "");
/// A text of 1 to 200 characters.
Json identifier(std::string text);
Json array_of(Json items, std::string text = "", std::int64_t at_least = 0);
Json any_of(Json alternatives, std::string text = "");
/// An object with any keys, whose values fit the schema.
Json map_of(Json values, std::string text);
/// One value, or a list of at least one.
Json one_or_many(Json one, std::string text);

/// A definition of the same document.
Json reference(const std::string& name);
/// With a text of its own. draft-07 ignores what stands beside $ref, so it goes into allOf.
Json reference(const std::string& name, std::string text);

/// {"required": keys}
Json needs(const std::vector<std::string>& keys);
/// {"if": `key` is there and is `value`, "then": ...}
Json when(const std::string& key, Json value, Json then);

using Properties = std::vector<std::pair<std::string, Json>>;

/// An object with exactly these keys.
Json closed(Properties properties, const std::vector<std::string>& required, std::string text);
/// An object with exactly the keys of the grammar's spot, in its order. A key without a fragment here, or the other way
/// round, is a bug of ours: std::logic_error.
Json object(const Spot& spot, Properties properties, const std::vector<std::string>& required, std::string text);

/// "$schema", "$comment" and "title", for others to follow. `origin` is the comment; "" stands for the generated files
/// of the repository.
Json document(std::string title, std::string origin = "");
/// All members of `from`.
void append(Json& to, const Json& from);

}  // namespace switchyard::schema
