#include "rules/zip_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rules/inflate.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50;
constexpr std::uint32_t locator_signature = 0x07064b50;
constexpr std::uint32_t directory_signature = 0x02014b50;
constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::int64_t end_size = 22, end64_size = 56, locator_size = 20, record_size = 46, local_size = 30;

/// Little-endian numbers; the caller has checked that the bytes are there.
std::uint64_t number(std::string_view text, std::size_t at, int bytes) {
  std::uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(text[at + static_cast<std::size_t>(i)]);
  return value;
}
std::uint32_t number4(std::string_view text, std::size_t at) { return static_cast<std::uint32_t>(number(text, at, 4)); }

/// Where the central directory lies and how many records it has, before anything is believed.
struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t count = 0;
  std::int64_t end = 0;  ///< it must not reach beyond this
};

Diagnostic& problem(Diagnostics& diagnostics, const std::string& code, const std::string& file,
                    const std::string& message) {
  return diagnostics.error(code, message, {{file, 0, 0}, ""});
}

std::optional<Directory> find_directory(const ByteSource& source) {
  const auto tail_size = std::min<std::int64_t>(source.size, end_size + 0xffff);
  if (tail_size < end_size) return std::nullopt;
  const auto tail = source.read(source.size - tail_size, tail_size);
  if (static_cast<std::int64_t>(tail.size()) != tail_size) return std::nullopt;
  for (auto at = tail_size - end_size; at >= 0; --at) {
    const auto here = static_cast<std::size_t>(at);
    // The comment must reach exactly to the end of the file: a signature inside a comment is none.
    if (number4(tail, here) != end_signature ||
        at + end_size + static_cast<std::int64_t>(number(tail, here + 20, 2)) != tail_size)
      continue;
    Directory out;
    out.end = source.size - tail_size + at;
    out.count = number(tail, here + 10, 2);
    out.size = number(tail, here + 12, 4);
    out.offset = number(tail, here + 16, 4);
    bool one_disk = number(tail, here + 4, 2) == 0 && number(tail, here + 8, 2) == out.count;
    if (out.end >= locator_size) {
      const auto locator = source.read(out.end - locator_size, locator_size);
      if (static_cast<std::int64_t>(locator.size()) == locator_size && number4(locator, 0) == locator_signature) {
        const auto place = number(locator, 8, 8);
        if (place > static_cast<std::uint64_t>(out.end - locator_size) ||
            out.end - locator_size - static_cast<std::int64_t>(place) < end64_size)
          return std::nullopt;
        const auto end64 = source.read(static_cast<std::int64_t>(place), end64_size);
        if (static_cast<std::int64_t>(end64.size()) != end64_size || number4(end64, 0) != end64_signature)
          return std::nullopt;
        out.end = static_cast<std::int64_t>(place);
        out.count = number(end64, 32, 8);
        out.size = number(end64, 40, 8);
        out.offset = number(end64, 48, 8);
        one_disk = number(end64, 16, 4) == 0 && number(end64, 24, 8) == out.count;
      }
    }
    return one_disk ? std::optional(out) : std::nullopt;
  }
  return std::nullopt;
}

/// The record at `at`, and where the next one starts; nothing if it does not fit.
std::optional<ZipRecord> read_record(std::string_view text, std::size_t& at, std::uint64_t directory) {
  if (text.size() - at < static_cast<std::size_t>(record_size) || number4(text, at) != directory_signature)
    return std::nullopt;
  const auto name_size = number(text, at + 28, 2), extra_size = number(text, at + 30, 2),
             comment_size = number(text, at + 32, 2);
  const auto name_at = at + static_cast<std::size_t>(record_size);
  if (text.size() - name_at < name_size + extra_size + comment_size) return std::nullopt;
  ZipRecord out;
  out.encrypted = (number(text, at + 8, 2) & 1) != 0;
  out.method = static_cast<int>(number(text, at + 10, 2));
  out.crc = number4(text, at + 16);
  std::uint64_t stored = number(text, at + 20, 4), size = number(text, at + 24, 4), header = number(text, at + 42, 4);
  out.name = text.substr(name_at, name_size);
  // Numbers that do not fit 32 bits stand in the extra field 1, in this order.
  std::string_view extra = text.substr(name_at + name_size, extra_size);
  while (extra.size() >= 4) {
    const auto kind = number(extra, 0, 2);
    const auto length = static_cast<std::size_t>(number(extra, 2, 2));
    if (extra.size() - 4 < length) return std::nullopt;
    auto field = extra.substr(4, length);
    for (auto* value : {&size, &stored, &header}) {
      if (kind != 1 || *value != 0xffffffffU) continue;
      if (field.size() < 8) return std::nullopt;
      *value = number(field, 0, 8);
      field.remove_prefix(8);
    }
    extra.remove_prefix(4 + length);
  }
  if (header > directory || directory - header < static_cast<std::uint64_t>(local_size) ||
      stored > directory - header - static_cast<std::uint64_t>(local_size) ||
      (out.method == 0 && stored != size && !out.encrypted) || size > std::uint64_t{1} << 62)
    return std::nullopt;
  out.header = static_cast<std::int64_t>(header);
  out.stored = static_cast<std::int64_t>(stored);
  out.size = static_cast<std::int64_t>(size);
  at = name_at + static_cast<std::size_t>(name_size + extra_size + comment_size);
  return out;
}

}  // namespace

std::optional<ZipArchive> ZipArchive::open(ByteSource source, const std::string& file, Diagnostics& diagnostics) {
  ZipArchive out;
  out.file_ = file;
  const auto damaged = [&](const std::string& why) {
    problem(diagnostics, "SWY-3020", file, "not a whole zip archive: " + why).help =
        "the file is truncated or damaged: copy or save it again";
    return std::nullopt;
  };
  const auto directory = find_directory(source);
  if (!directory) return damaged("the end of its directory is missing or contradicts itself");
  const auto end = static_cast<std::uint64_t>(directory->end);
  if (directory->size > end || directory->offset != end - directory->size)
    return damaged(fmt::format("its directory should have {} bytes at byte {}, and ends at byte {}", directory->size,
                               directory->offset, directory->end));
  if (directory->size > static_cast<std::uint64_t>(most_directory_bytes) ||
      directory->count > static_cast<std::uint64_t>(most_records))
    return damaged(fmt::format("its directory claims {} records in {} bytes; at most {} records are read",
                               directory->count, directory->size, most_records));
  out.directory_ = static_cast<std::int64_t>(directory->offset);
  const auto text = source.read(out.directory_, static_cast<std::int64_t>(directory->size));
  if (text.size() != directory->size) return damaged("its directory cannot be read");
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < directory->count; ++i) {
    auto record = read_record(text, at, directory->offset);
    if (!record) return damaged(fmt::format("record {} of {} does not fit the file", i + 1, directory->count));
    if (!out.by_name_.emplace(record->name, out.records_.size()).second)
      return damaged(fmt::format("two records have the name `{}`", printable(record->name)));
    out.records_.push_back(std::move(*record));
  }
  if (at != text.size()) return damaged("its directory is longer than its records");
  out.source_ = std::move(source);
  return out;
}

const ZipRecord* ZipArchive::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &records_[found->second];
}

std::optional<std::string> ZipArchive::read(const ZipRecord& record, std::int64_t limit,
                                            Diagnostics& diagnostics) const {
  const auto bad = [&](const std::string& why) {
    problem(diagnostics, "SWY-3021", file_, fmt::format("record `{}` {}", printable(record.name), why));
    return std::nullopt;
  };
  if (record.encrypted) return bad("is encrypted");
  if (record.method != 0 && record.method != 8)
    return bad(fmt::format("is compressed with method {}; stored and deflated records are read", record.method));
  if (record.size > limit || record.stored > limit)
    return bad(fmt::format("has {} bytes; at most {} are read", std::max(record.size, record.stored), limit));
  const auto local = source_.read(record.header, local_size);
  if (static_cast<std::int64_t>(local.size()) != local_size || number4(local, 0) != local_signature)
    return bad("has no header where the directory says");
  const auto start = record.header + local_size + static_cast<std::int64_t>(number(local, 26, 2)) +
                     static_cast<std::int64_t>(number(local, 28, 2));
  if (start > directory_ || record.stored > directory_ - start) return bad("reaches into the directory");
  auto content = source_.read(start, record.stored);
  if (static_cast<std::int64_t>(content.size()) != record.stored) return bad("cannot be read");
  if (record.method == 8) {
    auto text = inflate(content, static_cast<std::size_t>(record.size));
    if (!text) return bad("is damaged: its compressed bytes do not give what the directory says");
    content = std::move(*text);
  }
  if (record.crc != 0 && crc32(content) != record.crc) return bad("is damaged: its checksum is wrong");
  return content;
}

}  // namespace switchyard
