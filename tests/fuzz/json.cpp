// JSON source: a document or findings, never both or neither; spans hold what was read; what is written reads back.
#include "core/json.h"

#include "tests/fuzz/fuzz.h"

namespace switchyard::fuzz {

namespace {

void check_spans(const Json& value, std::string_view text) {
  const auto inside = [&](const Span& span) {
    return span.length > 0 && span.offset <= text.size() && span.length <= text.size() - span.offset;
  };
  const auto span = value.span();
  require(inside(span), "a value stands in the text");
  const char first = text[span.offset];
  require((first == '{') == value.is(Json::Kind::object) && (first == '[') == value.is(Json::Kind::array) &&
              (first == '"') == value.is(Json::Kind::string),
          "a value stands where it starts");
  for (const auto& item : value.items()) check_spans(item, text);
  for (const auto& member : value.members()) {
    require(inside(member.key_span()) && text[member.key_offset] == '"', "a key stands where it starts");
    require(value.find(member.key) == &member.value, "a key is found, and only once");
    check_spans(member.value, text);
  }
}

}  // namespace

void fuzz_json(std::string_view input) {
  JsonLimits limits;
  limits.depth = 16;
  limits.bytes = 1 << 16;
  limits.values = 2000;
  Diagnostics diagnostics;
  const auto value = parse_json(input, "in.json", diagnostics, limits);
  require_good(diagnostics, input, "in.json");
  if (!value) {
    require(diagnostics.has_errors(), "a document that is not read is reported");
    return;
  }
  for (const auto& item : diagnostics.items())
    require(item.code == "SWY-1003" || item.code == "SWY-1004", "after a syntax error there is no document");
  if (!diagnostics.empty()) return;
  check_spans(*value, input);
  const auto line = dump_json(*value);
  for (const int indent : {0, 2}) {
    const auto written = dump_json(*value, indent);
    Diagnostics none;
    const auto again = parse_json(written, "out.json", none, {});
    require(again.has_value() && none.empty(), "what is written is read");
    require(dump_json(*again) == line, "what is written reads back equal");
  }
}

}  // namespace switchyard::fuzz
