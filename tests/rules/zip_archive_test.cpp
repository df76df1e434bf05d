#include "rules/zip_archive.h"

#include <doctest/doctest.h>

#include "tests/support/torch_archive.h"

using namespace switchyard;
using namespace switchyard::test;

namespace {

const std::vector<ZipMember> members = {
    {"m/data.pkl", "pickle"}, {"m/data/0", std::string(40, 'x')}, {"m/version", "3\n"}};

/// The records as "name=content", or the codes of what is wrong.
std::string all_of(const std::string& text) {
  Diagnostics found;
  std::string out;
  const auto archive = ZipArchive::open(bytes_of_text(text), "a.pt", found);
  CHECK(archive.has_value() != found.has_errors());
  if (archive) {
    for (const auto& record : archive->records()) {
      const auto content = archive->read(record, 1000, found);
      out += record.name + "=" + content.value_or("?") + " ";
    }
  }
  for (const auto& item : found.items()) {
    out += item.code + " ";
    CHECK(item.place.span.file == "a.pt");
  }
  return out;
}

}  // namespace

TEST_CASE("zip: records of a zip and of a zip64 archive") {
  const auto want = "m/data.pkl=pickle m/data/0=" + std::string(40, 'x') + " m/version=3\n ";
  CHECK(all_of(zip_of(members)) == want);
  CHECK(all_of(zip_of(members, true)) == want);
  CHECK(all_of(zip_of({})).empty());
  CHECK(all_of(zip_of({{"c.py", "abc", 8, std::string("\x4b\x4c\x4a\x06\x00", 5)}})) == "c.py=abc ");
}

TEST_CASE("zip: cut anywhere, it is one error") {
  for (const bool zip64 : {false, true}) {
    const auto good = zip_of(members, zip64);
    for (std::size_t length = 0; length < good.size(); ++length) CHECK(all_of(good.substr(0, length)) == "SWY-3020 ");
  }
}

TEST_CASE("zip: with any byte changed, every read stays inside the file and nothing passes for what it is not") {
  for (const bool zip64 : {false, true}) {
    const auto good = zip_of(members, zip64);
    const auto want = all_of(good);
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const int change : {0x01, 0x80, 0xff}) {
        auto bad = good;
        bad[at] = static_cast<char>(bad[at] ^ change);
        const ByteSource source{static_cast<std::int64_t>(bad.size()), [&](std::int64_t offset, std::int64_t length) {
                                  CHECK(offset >= 0);
                                  CHECK(length >= 0);
                                  CHECK(offset + length <= static_cast<std::int64_t>(bad.size()));
                                  return bad.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
                                }};
        Diagnostics found;
        const auto archive = ZipArchive::open(source, "a.pt", found);
        if (!archive) continue;
        for (const auto& record : archive->records()) {
          const auto content = archive->read(record, 1000, found);
          for (const auto& member : members) {
            // A checksum of zero means that there is none, so only a change that makes it so could pass.
            if (content && record.name == member.name && record.crc != 0) CHECK(*content == member.content);
          }
        }
      }
    }
  }
}

TEST_CASE("zip: what a record may not be") {
  CHECK(all_of(zip_of({{"a", "x"}, {"a", "y"}})) == "SWY-3020 ");
  CHECK(all_of(zip_of({{"a", "x", 12, "x"}})) == "a=? SWY-3021 ");
  CHECK(all_of(zip_of({{"big", std::string(1001, 'x')}})) == "big=? SWY-3021 ");
  // A bomb: a megabyte is promised, and more than the limit is not even begun.
  CHECK(all_of(zip_of({{"bomb", std::string(1000000, 'a'), 8, std::string("\x4b\x4c\x04", 3)}})) == "bomb=? SWY-3021 ");
  auto encrypted = zip_of({{"a", "x"}});
  encrypted[encrypted.find("PK\x01\x02") + 8] = 1;
  CHECK(all_of(encrypted) == "a=? SWY-3021 ");
  CHECK(all_of(zip_of(members) + "more") == "SWY-3020 ");
  CHECK(all_of("before" + zip_of(members)) == "SWY-3020 ");
}
