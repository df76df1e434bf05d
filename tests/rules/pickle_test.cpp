#include "rules/pickle.h"

#include <doctest/doctest.h>

#include "tests/support/torch_archive.h"

using namespace switchyard;
using namespace switchyard::test;

namespace {

using Kind = PickleValue::Kind;

std::optional<Pickle> read(const std::string& text, std::size_t most_values = Pickle::most_values) {
  Diagnostics found;
  auto out = read_pickle(text, "a.pt", found, most_values);
  CHECK(out.has_value() != found.has_errors());
  for (const auto& item : found.items()) CHECK(item.code == "SWY-3022");
  return out;
}

std::int64_t integer(const std::string& value) {
  const auto pickle = read(pickle_of(value));
  REQUIRE(pickle);
  CHECK((*pickle)[pickle->root].kind == Kind::integer);
  return (*pickle)[pickle->root].number;
}

}  // namespace

TEST_CASE("pickle: whole numbers of every length, with their signs") {
  CHECK(integer("K\xff") == 255);
  CHECK(integer("M\xff\xff") == 65535);
  CHECK(integer("J\xff\xff\xff\xff") == -1);
  CHECK(integer(std::string("\x8a\x00", 2)) == 0);
  CHECK(integer("\x8a\x01\xff") == -1);
  CHECK(integer(std::string("\x8a\x02\xff\x00", 4)) == 255);
  CHECK(integer(number_of(INT64_MIN)) == INT64_MIN);
  const auto long_one = read(pickle_of("\x8a\x09" + std::string(9, '\x01')));
  CHECK((*long_one)[long_one->root].kind == Kind::other);
}

TEST_CASE("pickle: dicts, ordered ones too, and what is kept and asked for again") {
  for (const std::string head : {"}", "ccollections\nOrderedDict\n)R"}) {
    const auto pickle = read(pickle_of(head + "q\x01(" + text_of("a") + "K\x01" + text_of("b") + "h\x01us" + ""));
    CHECK_FALSE(pickle);  // `s` takes two values that are not there
    const auto good = read(pickle_of(head + "q\x01(" + text_of("a") + "K\x01" + text_of("b") + "h\x01u"));
    REQUIRE(good);
    const auto& dict = (*good)[good->root];
    REQUIRE(dict.kind == Kind::dict);
    CHECK(good->find(dict, "a")->number == 1);
    CHECK(good->find(dict, "b") == &dict);  // a circle is no danger
    CHECK(good->find(dict, "c") == nullptr);
  }
}

TEST_CASE("pickle: a call is data, whatever it calls") {
  const auto pickle = read(pickle_of("cos\nsystem\n(" + text_of("touch /tmp/owned") + "tR"));
  REQUIRE(pickle);
  const auto& call = (*pickle)[pickle->root];
  REQUIRE(call.kind == Kind::object);
  CHECK((*pickle)[call.items[0]].text == "os.system");
  CHECK(call.items.size() == 2);
}

TEST_CASE("pickle: what is damaged or asks for too much is refused") {
  for (const std::string text : {"",
                                 "\x80",
                                 "\x80\x01N.",
                                 "\x80\x06N.",
                                 "\x80\x02",
                                 "\x80\x02N",
                                 "\x80\x02.",
                                 "\x80\x02(.",
                                 "\x80\x02t.",
                                 "\x80\x02\x85.",
                                 "\x80\x02h\x01.",
                                 "\x80\x02NNs.",
                                 "\x80\x02}(Nu.",
                                 "\x80\x02X\xff\xff\xff\xff.",
                                 "\x80\x02X\x01",
                                 "\x80\x02i.",
                                 "\x80\x02I1\n.",
                                 "\x80\x02V\n.",
                                 "\x80\x02\x82\x01.",
                                 "\x80\x02P1\n.",
                                 "\x80\x02"
                                 "ca\n",
                                 "\x80\x02q\x01."}) {
    CAPTURE(text);
    CHECK_FALSE(read(text));
  }
  CHECK_FALSE(read(std::string((32 << 20) + 1, 'N')));
}

TEST_CASE("pickle: the number of values, of those that it keeps, and the names of classes are limited") {
  CHECK(read(pickle_of(std::string(1000, 'N')), 1000));
  CHECK_FALSE(read(pickle_of(std::string(1001, 'N')), 1000));
  // One value, kept over and over.
  CHECK(read("\x80\x04N" + std::string(1000, '\x94') + ".", 1000));
  CHECK_FALSE(read("\x80\x04N" + std::string(1001, '\x94') + ".", 1000));
  CHECK(read("\x80\x04N" + std::string(1000, '\x94') + "q\x01.", 1000));  // in the place of another
  // Two texts that are joined: into one that is too long, and over and over.
  const auto joined = [](std::size_t length, int times) {
    auto text = "\x80\x04" + text_of(std::string(length, 'x')) + "q\x01";
    for (int i = 0; i < times; ++i) text += "h\x01h\x01\x93";
    return text + ".";
  };
  CHECK(read(joined(2000, 8000)));
  CHECK_FALSE(read(joined(2000, 9000)));
  CHECK_FALSE(read(joined(5000, 1)));
  CHECK_FALSE(read(pickle_of("c" + std::string(5000, 'x') + "\ny\n")));
  // A model of a hundred thousand parameters has two million values.
  CHECK(read(pickle_of(std::string(2'100'000, 'N'))));
}

TEST_CASE("pickle: bytes that protocol 2 writes as texts are values that say nothing, but no names of classes") {
  for (const auto& bytes :
       {text_of("\xff"), text_of(std::string("a\0b", 3)), std::string("U\x01\xff"), std::string("T\x01\0\0\0\0", 6)}) {
    const auto pickle = read(pickle_of("c_codecs\nencode\n(" + bytes + text_of("latin1") + "tR"));
    REQUIRE(pickle);
    const auto& arguments = (*pickle)[(*pickle)[pickle->root].items[1]];
    CHECK((*pickle)[arguments.items[0]].kind == Kind::other);
    CHECK((*pickle)[arguments.items[1]].kind == Kind::text);
    CHECK_FALSE(read("\x80\x04" + bytes + text_of("a") + "\x93."));
    CHECK_FALSE(read("\x80\x04" + text_of("a") + bytes + "\x93."));
  }
}

TEST_CASE("pickle: changed in any byte or cut anywhere, it is read or refused") {
  const auto good = pickle_of(dict_of({{"w", tensor_of("FloatStorage", "0", 6, {2, 3}, {3, 1})}, {"n", number_of(7)}}));
  REQUIRE(read(good));
  for (std::size_t at = 0; at < good.size(); ++at) {
    read(good.substr(0, at));
    for (int value = 0; value < 256; ++value) {
      auto bad = good;
      bad[at] = static_cast<char>(value);
      read(bad);
    }
  }
}
