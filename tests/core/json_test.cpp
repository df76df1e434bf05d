#include "core/json.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>

using namespace switchyard;

namespace {

struct Parsed {
  std::optional<Json> value;
  Diagnostics diagnostics;
  std::string first_code() const { return diagnostics.empty() ? "" : diagnostics.items().front().code; }
};

Parsed parse(std::string_view text, const JsonLimits& limits = {}) {
  Parsed out;
  out.value = parse_json(text, "t.json", out.diagnostics, limits);
  return out;
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

const std::string sample =
    "{\"switchyard\": 1, \"name\": \"a\\u00e9\\n\\ud83d\\ude00\", \"list\": [1, -2.5e3, true, false, null, [], {}],\n"
    " \"nested\": {\"x\": {\"y\": [[0]]}}, \"caf\xc3\xa9\": \"\\\"\\\\\\/\"}";

/// The bytes of every value in the source, compared with what nlohmann makes of just those bytes.
void check_spans(const Json& value, const std::string& text) {
  const auto span = value.span();
  REQUIRE(span.file == "t.json");
  REQUIRE(span.offset + span.length <= text.size());
  const auto own = text.substr(span.offset, span.length);
  CAPTURE(own);
  const auto alone = nlohmann::json::parse(own);
  REQUIRE(alone == nlohmann::json::parse(dump_json(value)));
  for (const auto& item : value.items()) check_spans(item, text);
  for (const auto& member : value.members()) {
    const auto key = text.substr(member.key_offset, member.key_length);
    REQUIRE(nlohmann::json::parse(key) == member.key);
    check_spans(member.value, text);
  }
}

}  // namespace

TEST_CASE("json: every value and key knows its bytes") {
  const auto parsed = parse(sample);
  REQUIRE(parsed.value);
  check_spans(*parsed.value, sample);
  CHECK(parsed.value->find("name")->as_string() == "a\xc3\xa9\n\xf0\x9f\x98\x80");
  CHECK(parsed.value->find("list")->size() == 7);
  CHECK(parsed.value->find("missing") == nullptr);
}

TEST_CASE("json: a document cut at any byte is one error, with a place inside the text") {
  for (std::size_t length = 0; length < sample.size(); ++length) {
    CAPTURE(length);
    const auto parsed = parse(sample.substr(0, length));
    REQUIRE_FALSE(parsed.value);
    REQUIRE(parsed.diagnostics.items().size() == 1);
    REQUIRE(parsed.first_code() == "SWY-1001");
    REQUIRE(parsed.diagnostics.items()[0].place.span.offset <= length);
  }
}

TEST_CASE("json: what is not JSON is refused") {
  for (const std::string text : {"",
                                 "   ",
                                 "{a: 1}",
                                 "{'a': 1}",
                                 "{\"a\": 1,}",
                                 "[1,]",
                                 "[1 2]",
                                 "{\"a\" 1}",
                                 "// x\n1",
                                 "/* */ 1",
                                 "NaN",
                                 "Infinity",
                                 "-Infinity",
                                 "1e400",
                                 "-1e400",
                                 "+1",
                                 "01",
                                 "0x10",
                                 ".5",
                                 "5.",
                                 "1 2",
                                 "{} {}",
                                 "[1]]",
                                 "\"\\ud800\"",
                                 "\"\\x\"",
                                 "\"a\nb\"",
                                 "tru",
                                 "nul",
                                 "\xff",
                                 "\"\xff\"",
                                 "\"\xc0\x80\"",
                                 "\"\xed\xa0\x80\"",
                                 "\xfe\xff\x00{",
                                 "\xef\xbb\xbf{}",
                                 "[\"\\u00\"]",
                                 "\"unterminated",
                                 "-",
                                 "1e",
                                 "{\"a\":}",
                                 "{,}",
                                 "[,1]",
                                 "\x01",
                                 "{\"a\": 1} x"}) {
    CAPTURE(text);
    const auto parsed = parse(text);
    CHECK_FALSE(parsed.value);
    CHECK(parsed.diagnostics.items().size() == 1);
    CHECK(parsed.first_code() == "SWY-1001");
  }
}

TEST_CASE("json: the message names no library and is printable") {
  const auto parsed = parse("{\"a\": \xff}");
  REQUIRE(parsed.diagnostics.items().size() == 1);
  const auto& message = parsed.diagnostics.items()[0].message;
  CHECK(message.find("json.exception") == std::string::npos);
  for (const auto c : message) CHECK((c >= 0x20 && c < 0x7f));
}

TEST_CASE("json: the position of an error") {
  const auto parsed = parse("{\n  \"a\": 1,\n  oops\n}");
  REQUIRE(parsed.diagnostics.items().size() == 1);
  const auto at = line_column("{\n  \"a\": 1,\n  oops\n}", parsed.diagnostics.items()[0].place.span.offset);
  CHECK(at.line == 3);
  CHECK(at.column == 3);
}

TEST_CASE("json: NUL is refused, raw and escaped, in keys and in strings") {
  using namespace std::string_literals;
  CHECK(parse("{}\0garbage"s).first_code() == "SWY-1004");
  CHECK(parse("\0"s).first_code() == "SWY-1004");
  for (const std::string text : {"{\"a\": \"x\\u0000y\"}", "{\"a\\u0000\": 1}", "[\"\\u0000\"]"}) {
    const auto parsed = parse(text);
    CHECK_FALSE(parsed.value);
    CHECK(parsed.first_code() == "SWY-1004");
  }
}

TEST_CASE("json: every duplicate key is reported, with the first one's place, and the first value is kept") {
  const auto parsed = parse("{\"a\": 1, \"b\": {\"c\": 1, \"c\": [2]}, \"\\u0061\": {\"x\": 3}, \"d\": 4}");
  REQUIRE(parsed.value);
  REQUIRE(parsed.diagnostics.items().size() == 2);
  CHECK(parsed.diagnostics.items()[0].code == "SWY-1003");
  CHECK(parsed.diagnostics.items()[0].place.pointer == "/b/c");
  CHECK(parsed.diagnostics.items()[1].place.pointer == "/a");  // differs from the first only by its escape
  REQUIRE(parsed.diagnostics.items()[1].related.size() == 1);
  CHECK(parsed.diagnostics.items()[1].related[0].place.span.offset == 1);
  CHECK(parsed.value->find("a")->as_int() == 1);
  CHECK(parsed.value->find("d")->as_int() == 4);
  CHECK(parsed.value->size() == 3);
}

TEST_CASE("json: many duplicates of a late key take linear time") {
  std::string text = "{";
  for (int i = 0; i < 50000; ++i) text += "\"k" + std::to_string(i) + "\":1,";
  for (int i = 0; i < 50000; ++i) text += "\"k49999\":1,";
  text.back() = '}';
  const auto begin = std::chrono::steady_clock::now();
  const auto parsed = parse(text);
  CHECK(parsed.diagnostics.items().size() == 50000);
  // A search through the members for each duplicate needs 2.5e9 string compares, about 10 s; this takes 0.2 s.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(4));
}

// Covers J28, J29, J30, J32, J33.
TEST_CASE("json: limits of depth, size and number of values") {
  JsonLimits limits;
  limits.depth = 5;
  CHECK(parse(repeat("[", 5) + repeat("]", 5), limits).value);
  CHECK(parse(repeat("[", 6) + repeat("]", 6), limits).first_code() == "SWY-1005");
  CHECK(parse(repeat("{\"a\":", 6) + "1" + repeat("}", 6), limits).first_code() == "SWY-1005");
  CHECK(parse(repeat("[", 100000)).first_code() == "SWY-1005");
  CHECK(parse(repeat("{\"a\":", 100000)).first_code() == "SWY-1005");
  limits = {};
  limits.bytes = 10;
  CHECK(parse("[1,2,3,4]", limits).value);
  CHECK(parse("[1,2,3,4]  ", limits).first_code() == "SWY-1005");
  limits = {};
  limits.values = 4;
  CHECK(parse("[1,2,3]", limits).value);
  CHECK(parse("[1,2,3,4]", limits).first_code() == "SWY-1005");
  CHECK(parse("{\"a\":1,\"b\":{}, \"c\":2,\"d\":3}", limits).first_code() == "SWY-1005");
}

TEST_CASE("json: numbers are kept as they are or flagged, never converted silently") {
  CHECK(parse("9007199254740993").value->as_int() == 9007199254740993);
  CHECK(parse("9223372036854775807").value->as_int() == std::numeric_limits<std::int64_t>::max());
  CHECK(parse("-9223372036854775808").value->as_int() == std::numeric_limits<std::int64_t>::min());
  for (const std::string text :
       {"9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775809"}) {
    const auto parsed = parse(text);
    REQUIRE(parsed.value);
    CHECK(parsed.value->is(Json::Kind::real));
    CHECK(parsed.value->overflowed_integer());
  }
  const auto real = parse("5.0");
  CHECK(real.value->is(Json::Kind::real));
  CHECK_FALSE(real.value->overflowed_integer());
  CHECK(parse("1e2").value->is(Json::Kind::real));
  CHECK(std::signbit(parse("-0.0").value->as_double()));
  CHECK(parse("1e-400").value->as_double() == 0);
  CHECK(parse("7").value->as_double() == 7);
}

TEST_CASE("json: the wrong kind is a programming error") {
  const auto value = Json::string("x");
  CHECK_THROWS_AS(value.as_int(), std::logic_error);
  CHECK_THROWS_AS(value.as_bool(), std::logic_error);
  CHECK_THROWS_AS(value.as_double(), std::logic_error);
  CHECK_THROWS_AS(Json::real(1).as_int(), std::logic_error);
  CHECK_THROWS_AS(Json::integer(1).as_string(), std::logic_error);
  CHECK_THROWS_AS(Json::array().set("a", Json::null()), std::logic_error);
  CHECK_THROWS_AS(Json::object().push(Json::null()), std::logic_error);
  CHECK(value.items().empty());
  CHECK(value.members().empty());
}

TEST_CASE("json: what is written reads back equal, indented or not") {
  const auto parsed = parse(sample);
  REQUIRE(parsed.value);
  for (const int indent : {0, 1, 2, 4}) {
    const auto text = dump_json(*parsed.value, indent);
    CAPTURE(text);
    CHECK(nlohmann::json::parse(text) == nlohmann::json::parse(sample));
    const auto again = parse(text);
    REQUIRE(again.value);
    CHECK(dump_json(*again.value, indent) == text);
  }
}

TEST_CASE("json: control characters are escaped in what is written") {
  std::string all;
  for (int c = 1; c < 0x80; ++c) all += static_cast<char>(c);
  const auto text = dump_json(Json::string(all));
  for (const auto c : text) CHECK((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
  CHECK(nlohmann::json::parse(text).get<std::string>() == all);
}

TEST_CASE("json: NaN and infinities are written as strings, whole reals stay reals") {
  auto list = Json::array();
  list.push(Json::real(std::numeric_limits<double>::quiet_NaN()));
  list.push(Json::real(std::numeric_limits<double>::infinity()));
  list.push(Json::real(-std::numeric_limits<double>::infinity()));
  list.push(Json::real(3));
  CHECK(dump_json(list) == "[\"NaN\",\"Infinity\",\"-Infinity\",3.0]");
}

TEST_CASE("json: the shortest text of a double reads back as the same bits") {
  std::mt19937_64 random(doctest::getContextOptions()->rand_seed);
  for (int i = 0; i < 20000; ++i) {
    const auto bits = random();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    const auto text = shortest(value);
    const auto back = std::strtod(text.c_str(), nullptr);  // std::stod throws for denormals
    REQUIRE(std::memcmp(&back, &value, sizeof value) == 0);
    REQUIRE(dump_json(Json::real(value)).find_first_of(".e") != std::string::npos);
  }
  CHECK(shortest(0.1) == "0.1");
  CHECK(shortest(1e-8) == "1e-08");
  CHECK(shortest(3) == "3");
}

TEST_CASE("json: an indented line stays within 110 columns unless one scalar is longer") {
  auto root = Json::object();
  for (int i = 0; i < 40; ++i) {
    auto row = Json::array();
    for (int j = 0; j <= i; ++j) row.push(Json::integer(j));
    root.set("row" + std::to_string(i), std::move(row));
  }
  const auto text = dump_json(root, 2);
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    CHECK(end - begin <= 110 + 12);  // the key stands before the value that was measured
    begin = end + 1;
  }
}

TEST_CASE("json: writing a deep document costs one pass a level, not one pass a value") {
  auto value = Json::object();
  for (int i = 0; i < 20000; ++i) {
    auto item = Json::object();
    item.set("names", Json::string("layer" + std::to_string(i)));
    value.set("k" + std::to_string(i), std::move(item));
  }
  const auto begin = std::chrono::steady_clock::now();
  CHECK(dump_json(value, 2).size() > 20000 * 10);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
}

TEST_CASE("json: pointer tokens") {
  CHECK(pointer_token("a/b~c") == "a~1b~0c");
  CHECK(pointer_token("~1") == "~01");
  CHECK(pointer_token("").empty());
}
