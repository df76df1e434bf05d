#include "core/safetensors.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "core/error.h"

using namespace switchyard;

namespace {

std::string with_length(const std::string& json) {
  std::string out;
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(json.size() >> shift & 0xff);
  return out + json;
}

struct Result {
  std::optional<SafetensorsHeader> header;
  Diagnostics diagnostics;
  std::string codes() const {
    std::string out;
    for (const auto& item : diagnostics.items()) out += (out.empty() ? "" : " ") + item.code;
    return out;
  }
  std::string subject() const { return diagnostics.empty() ? "" : diagnostics.items()[0].subject; }
};

Result parse(const std::string& file_bytes) {
  Result out;
  out.header = parse_safetensors_header(file_bytes, static_cast<std::int64_t>(file_bytes.size()), "m.safetensors",
                                        out.diagnostics);
  REQUIRE(out.header.has_value() == !out.diagnostics.has_errors());
  return out;
}

/// A file with this header and `bytes` of data.
Result parse(const std::string& json, std::size_t bytes) { return parse(with_length(json) + std::string(bytes, '\0')); }

const std::string two =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]}})";

struct TemporaryFolder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("switchyard_safetensors_test_" + std::to_string(::getpid()));
  TemporaryFolder() { std::filesystem::create_directories(path); }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
    return (path / name).string();
  }
};

Result read(const std::string& path) {
  Result out;
  out.header = read_safetensors_header(path, out.diagnostics);
  REQUIRE(out.header.has_value() == !out.diagnostics.has_errors());
  return out;
}

}  // namespace

TEST_CASE("safetensors: a header is read in full") {
  const auto result = parse(two, 26);
  REQUIRE(result.header);
  const auto& header = *result.header;
  CHECK(header.data_start == static_cast<std::int64_t>(8 + two.size()));
  CHECK(header.metadata == std::map<std::string, std::string>{{"format", "pt"}});
  REQUIRE(header.entries.size() == 2);
  CHECK(header.entries[0].name == "a");
  CHECK(header.entries[0].dtype == "F32");
  CHECK(header.entries[0].shape == std::vector<std::int64_t>{2, 3});
  CHECK(header.entries[0].bytes() == 24);
  REQUIRE(header.find("b") != nullptr);
  CHECK(header.find("b")->shape.empty());
  CHECK(header.find("c") == nullptr);
  CHECK(parse("{}", 0).header);
  CHECK(parse(two + "   ", 26).header);  // padding
  CHECK(parse(R"({"e":{"dtype":"F64","shape":[0,7],"data_offsets":[0,0]}})", 0).header);
  CHECK(parse(R"({"f":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})", 2).header);
}

TEST_CASE("safetensors: entries are found by name in a header that was read, in a copy, and in one made in code") {
  auto header = *parse(two, 26).header;
  CHECK(header.names.size() == 2);
  const auto copy = header;
  CHECK(copy.find("b") == &copy.entries[1]);
  header.entries.push_back({"c", "U8", {0}, 26, 26});  // the index does not know it: found all the same
  CHECK(header.find("c") == &header.entries[2]);
  CHECK(header.find("a") == &header.entries[0]);
  CHECK(header.find("d") == nullptr);
}

TEST_CASE("safetensors: entries come in the order of their data, whatever the header's") {
  const auto result = parse(
      R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]},"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"z":{"dtype":"U8","shape":[0],"data_offsets":[3,3]}})",
      4);
  REQUIRE(result.header);
  CHECK(result.header->entries[0].name == "a");
  CHECK(result.header->entries[1].name == "z");
  CHECK(result.header->entries[2].name == "b");
}

TEST_CASE("safetensors: every malformed header is one clean error") {
  struct Case {
    const char* what;
    std::string json;
    std::size_t bytes;
    const char* code;
    const char* subject;
  };
  const std::vector<Case> cases = {
      {"not UTF-8", "{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "SWY-3003", ""},
      {"not JSON", "{oops}", 0, "SWY-3003", ""},
      {"an array", "[1]", 0, "SWY-3003", ""},
      {"white space first", " {}", 0, "SWY-3003", ""},
      {"no header at all", "", 0, "SWY-3003", ""},
      {"two documents", "{} {}", 0, "SWY-3003", ""},
      {"a NUL in a name", R"({"a\u0000":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "SWY-3003", ""},
      {"deep", "{\"a\":[[[[[[[[[[[]]]]]]]]]]]}", 0, "SWY-3003", ""},
      {"a duplicate tensor",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1, "SWY-3004", ""},
      {"a duplicate key", R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "SWY-3004", ""},
      {"an entry that is no object", R"({"a":[1]})", 0, "SWY-3005", "a"},
      {"no dtype", R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, "SWY-3005", "a"},
      {"no shape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, "SWY-3005", "a"},
      {"no offsets", R"({"a":{"dtype":"U8","shape":[1]}})", 1, "SWY-3005", "a"},
      {"three offsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, "SWY-3005", "a"},
      {"an unknown key", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"stride":[1]}})", 1, "SWY-3005", "a"},
      {"metadata that is no object", R"({"__metadata__":[]})", 0, "SWY-3005", ""},
      {"metadata of numbers", R"({"__metadata__":{"step":3}})", 0, "SWY-3005", ""},
      {"an unknown dtype", R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "SWY-3006", "a"},
      {"torch's name of a dtype", R"({"a":{"dtype":"float32","shape":[1],"data_offsets":[0,4]}})", 4, "SWY-3006", "a"},
      {"a negative size", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "SWY-3007", "a"},
      {"a size that is a real", R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, "SWY-3007", "a"},
      {"a product that overflows in bytes",
       R"({"a":{"dtype":"F32","shape":[2,4611686018427387903],"data_offsets":[0,1]}})", 1, "SWY-3007", "a"},
      {"a product that overflows", R"({"a":{"dtype":"F32","shape":[2,9223372036854775807],"data_offsets":[0,1]}})", 1,
       "SWY-3007", "a"},
      {"a size beyond 63 bits", R"({"a":{"dtype":"F32","shape":[2,18446744073709551614],"data_offsets":[0,1]}})", 1,
       "SWY-3007", "a"},
      {"half a byte", R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2, "SWY-3007", "a"},
      {"negative offsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", 1, "SWY-3008", "a"},
      {"an offset beyond 63 bits", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551615]}})", 1,
       "SWY-3008", "a"},
      {"an end before the begin", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1, "SWY-3008", "a"},
      {"a length that is not the shape's", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "SWY-3008",
       "a"},
      {"an end beyond the file", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "SWY-3009", "a"},
      {"trailing bytes", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9, "SWY-3009", ""},
      {"data without tensors", "{}", 1, "SWY-3009", ""},
      {"a hole in front", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, "SWY-3009", "a"},
      {"a hole",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3, "SWY-3009", "b"},
      {"an overlap",
       R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "SWY-3009", "b"},
      {"two names for one range",
       R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
       2, "SWY-3009", "b"},
  };
  for (const auto& one : cases) {  // not a structured binding: clang 14 cannot capture those
    CAPTURE(one.what);
    const auto result = parse(one.json, one.bytes);
    CHECK_FALSE(result.header);
    CHECK(result.codes() == one.code);
    CHECK(result.subject() == one.subject);
  }
}

TEST_CASE("safetensors: several broken entries are all reported") {
  const auto result = parse(
      R"({"a":{"dtype":"X","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[-1],"data_offsets":[1,2]},"c":{"dtype":"Y","shape":[1.5],"data_offsets":[3,2]}})",
      2);
  CHECK(result.codes() == "SWY-3006 SWY-3007 SWY-3006 SWY-3007");
}

TEST_CASE("safetensors: a length that lies") {
  const std::string json = "{}";
  const auto claim = [&](std::uint64_t length) {
    auto bytes = with_length(json);
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(length >> (8 * i) & 0xff);
    return parse(bytes).codes();
  };
  CHECK(claim(2).empty());
  CHECK(claim(0) == "SWY-3003");
  CHECK(claim(1) == "SWY-3003");
  CHECK(claim(3) == "SWY-3002");
  CHECK(claim(99'999'999) == "SWY-3002");
  CHECK(claim(100'000'001) == "SWY-3002");
  CHECK(claim(std::uint64_t{1} << 63) == "SWY-3002");
  CHECK(claim(~std::uint64_t{0}) == "SWY-3002");
}

TEST_CASE("safetensors: a file cut at any byte is an error, and so is one byte more") {
  const auto whole = with_length(two) + std::string(26, 'x');
  REQUIRE(parse(whole).header);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const auto result = parse(whole.substr(0, size));
    REQUIRE_FALSE(result.header);
    REQUIRE(result.diagnostics.items().size() == 1);
  }
  CHECK_FALSE(parse(whole + "x").header);
}

TEST_CASE("safetensors: no flipped byte of the header crashes or gives ranges outside the file") {
  std::mt19937 random(doctest::getContextOptions()->rand_seed);
  const auto whole = with_length(two) + std::string(26, 'x');
  for (std::size_t at = 0; at < 8 + two.size(); ++at) {
    for (int trial = 0; trial < 20; ++trial) {
      auto bytes = whole;
      bytes[at] = static_cast<char>(random());
      const auto result = parse(bytes);
      if (!result.header) continue;
      for (const auto& entry : result.header->entries) {
        REQUIRE(entry.begin >= 0);
        REQUIRE(result.header->data_start + entry.end <= static_cast<std::int64_t>(bytes.size()));
      }
    }
  }
}

TEST_CASE("safetensors: files are read up to the end of the header only") {
  const TemporaryFolder folder;
  const auto whole = with_length(two) + std::string(26, 'x');
  const auto path = folder.write("good.safetensors", whole);
  CHECK(read(path).header);
  // A sparse file: 1 TiB of claimed data that nobody could read in the time of a test.
  const std::string big = R"({"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}})";
  const auto sparse = folder.write("sparse.safetensors", with_length(big));
  if (::truncate(sparse.c_str(), static_cast<off_t>(8 + big.size() + (std::size_t{1} << 40))) == 0)
    CHECK(read(sparse).header);
  CHECK(read(folder.write("cut.safetensors", whole.substr(0, 100))).codes() == "SWY-3002");
  CHECK(read(folder.write("tiny.safetensors", "1234567")).codes() == "SWY-3001");
  CHECK(read(folder.write("empty.safetensors", "")).codes() == "SWY-3001");
  CHECK(read(folder.write("pickle.pt", "\x80\x02}q\x01.more bytes")).codes() == "SWY-3002");
}

TEST_CASE("safetensors: what is not a regular file is refused without waiting") {
  const TemporaryFolder folder;
  CHECK(read((folder.path / "absent").string()).codes() == "SWY-3001");
  CHECK(read(folder.path.string()).codes() == "SWY-3001");
  CHECK(read("/dev/zero").codes() == "SWY-3001");
  const auto pipe = (folder.path / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(read(pipe).codes() == "SWY-3001");
}

TEST_CASE("safetensors: what is written is read back, aligned and in the reference's order") {
  std::vector<SafetensorsEntry> entries = {
      {"z.count", "I64", {}, 0, 0},
      {"b", "BF16", {3, 5}, 0, 0},
      {"a", "F32", {2, 2}, 0, 0},
      {"codes", "U8", {7}, 0, 0},
      {"a/b \"quoted\"", "F32", {0, 4}, 0, 0},
      {"caf\xc3\xa9", "F64", {1}, 0, 0},
      {"flag", "BOOL", {1}, 0, 0},
  };
  const auto placed = lay_out_safetensors(entries);
  std::vector<std::string> order;
  for (const auto& entry : placed) order.push_back(entry.name);
  CHECK(order == std::vector<std::string>{"z.count", "caf\xc3\xa9", "a", "a/b \"quoted\"", "b", "codes", "flag"});
  const std::map<std::string, std::string> metadata = {{"plan", "{\"x\": 1}"}, {"step", "3"}};
  const auto head = make_safetensors_header(placed, metadata);
  CHECK(head.size() % 8 == 0);
  CHECK(head[8] == '{');
  const auto result = parse(head + std::string(static_cast<std::size_t>(placed.back().end), 'x'));
  REQUIRE(result.header);
  CHECK(result.header->metadata == metadata);
  CHECK(result.header->data_start == static_cast<std::int64_t>(head.size()));
  REQUIRE(result.header->entries.size() == placed.size());
  for (const auto& entry : placed) {
    const auto* found = result.header->find(entry.name);
    REQUIRE(found != nullptr);
    CHECK(found->dtype == entry.dtype);
    CHECK(found->shape == entry.shape);
    CHECK(found->begin == entry.begin);
    CHECK(found->end == entry.end);
    // Every element starts at a multiple of its size.
    CHECK(entry.begin % std::max(1, safetensors_bits(entry.dtype) / 8) == 0);
  }
  std::reverse(entries.begin(), entries.end());
  CHECK(make_safetensors_header(lay_out_safetensors(entries), metadata) == head);  // the caller's order does not matter
}

TEST_CASE("safetensors: an empty file is a file") {
  const auto head = make_safetensors_header({}, {});
  CHECK(head == with_length("{}      "));
  CHECK(parse(head).header);
}

TEST_CASE("safetensors: what a reader would refuse is not written") {
  const auto refused = [](std::vector<SafetensorsEntry> entries) {
    try {
      lay_out_safetensors(std::move(entries));
    } catch (const CheckpointError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refused({{"a", "F32", {1}, 0, 0}}).empty());
  CHECK(refused({{"a", "F32", {1}, 0, 0}, {"a", "F32", {2}, 0, 0}}).find("`a`") != std::string::npos);
  CHECK(refused({{"a", "float32", {1}, 0, 0}}).find("float32") != std::string::npos);
  CHECK_FALSE(refused({{"__metadata__", "F32", {1}, 0, 0}}).empty());
  CHECK_FALSE(refused({{"\xff", "F32", {1}, 0, 0}}).empty());
  CHECK_FALSE(refused({{"\xc0\x80", "F32", {1}, 0, 0}}).empty());
  CHECK_FALSE(refused({{"\xed\xa0\x80", "F32", {1}, 0, 0}}).empty());
  CHECK_FALSE(refused({{std::string("a\0b", 3), "F32", {1}, 0, 0}}).empty());
  CHECK_FALSE(refused({{"a", "F32", {-1}, 0, 0}}).empty());
  CHECK_FALSE(refused({{"a", "F4", {3}, 0, 0}}).empty());
  CHECK_FALSE(refused({{"a", "F32", {std::int64_t{1} << 62, 4}, 0, 0}}).empty());
  CHECK_FALSE(refused({{"a", "U8", {std::int64_t{1} << 59}, 0, 0},
                       {"b", "U8", {std::int64_t{1} << 60}, 0, 0},
                       {"c", "F64", {std::int64_t{1} << 57}, 0, 0}})
                  .empty());
  CHECK_THROWS_AS(make_safetensors_header({}, {{"a", "\xff"}}), CheckpointError);
}

TEST_CASE("safetensors: the dtypes of the format, in order of alignment") {
  int before = 0;
  for (const auto& dtype : safetensors_dtypes()) {
    const auto alignment = std::max(8, safetensors_bits(dtype));
    CHECK(alignment >= before);
    before = alignment;
  }
  CHECK(safetensors_dtypes().size() == 22);
  CHECK(safetensors_bits("F6_E2M3") == 6);
  CHECK(safetensors_bits("C64") == 64);
  CHECK(safetensors_bits("f32") == 0);
  CHECK(safetensors_bits("") == 0);
}
