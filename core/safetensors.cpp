#include "core/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "core/parameter_table.h"
#include "core/utf8.h"

namespace switchyard {

namespace {

constexpr std::string_view metadata_key = "__metadata__";

struct DtypeRow {
  const char* name;
  int bits;
};
// The reference's order: it sorts by it, so files written here are laid out as its own.
constexpr DtypeRow dtype_rows[] = {
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
};

std::size_t rank_of(std::string_view dtype) {
  const auto found =
      std::find_if(std::begin(dtype_rows), std::end(dtype_rows), [&](const auto& row) { return dtype == row.name; });
  return static_cast<std::size_t>(found - std::begin(dtype_rows));
}

/// Bytes of a tensor, or why it has none.
struct Size {
  std::int64_t bytes = 0;
  const char* problem = nullptr;
};
Size size_of(std::string_view dtype, const std::vector<std::int64_t>& shape) {
  std::int64_t bits = 1;
  for (const auto size : shape) {
    if (size < 0) return {0, "has a negative size"};
    if (__builtin_mul_overflow(bits, size, &bits)) return {0, "has more elements than 63 bits can count"};
  }
  if (__builtin_mul_overflow(bits, safetensors_bits(dtype), &bits)) return {0, "is larger than 63 bits can count"};
  if (bits % 8 != 0) return {0, "does not end on a whole byte"};
  return {bits / 8, nullptr};
}

/// Reads one header into entries; knows how to say what is wrong.
class HeaderReader {
 public:
  HeaderReader(std::string file, Diagnostics& diagnostics) : file_(std::move(file)), diagnostics_(diagnostics) {}

  void read(const Json& root, SafetensorsHeader& header) {
    for (const auto& member : root.members()) {
      if (member.key == metadata_key) {
        read_metadata(member.value, header.metadata);
      } else {
        read_entry(member.key, member.value, header.entries);
      }
    }
  }

  /// The ranges must follow each other from 0 to the end of the data.
  void check_cover(std::vector<SafetensorsEntry>& entries, std::int64_t data_size) {
    std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::int64_t at = 0;
    const SafetensorsEntry* before = nullptr;
    for (const auto& entry : entries) {
      if (entry.end > data_size) {
        problem("SWY-3009", entry.name,
                fmt::format("tensor `{}` ends at byte {} of the data, but the file holds {}", entry.name, entry.end,
                            data_size))
            .help = "the file is truncated or its header is wrong";
        return;
      }
      if (entry.begin < at) {
        problem("SWY-3009", entry.name,
                fmt::format("tensors `{}` and `{}` overlap: the second starts at byte {}, the first ends at {}",
                            before == nullptr ? "" : before->name, entry.name, entry.begin, at));
        return;
      }
      if (entry.begin > at) {
        problem("SWY-3009", entry.name,
                fmt::format("there is a hole of {} bytes before tensor `{}`, which starts at byte {}", entry.begin - at,
                            entry.name, entry.begin));
        return;
      }
      at = entry.end;
      before = &entry;
    }
    if (at != data_size) {
      problem("SWY-3009", "",
              fmt::format("the tensors end at byte {} of the data, but the file holds {}: {} trailing bytes", at,
                          data_size, data_size - at));
    }
  }

  Diagnostic& problem(std::string code, std::string subject, std::string message) {
    auto& finding = diagnostics_.error(std::move(code), std::move(message), {{file_, 0, 0}, ""});
    finding.subject = std::move(subject);
    return finding;
  }

 private:
  void read_metadata(const Json& value, std::map<std::string, std::string>& metadata) {
    if (!value.is(Json::Kind::object)) {
      problem("SWY-3005", "", fmt::format("`__metadata__` must be an object of strings, not {}", value.kind_name()));
      return;
    }
    for (const auto& member : value.members()) {
      if (member.value.is(Json::Kind::string)) {
        metadata[member.key] = member.value.as_string();
      } else {
        problem("SWY-3005", "",
                fmt::format("`__metadata__.{}` must be a string, not {}", member.key, member.value.kind_name()));
      }
    }
  }

  void read_entry(const std::string& name, const Json& value, std::vector<SafetensorsEntry>& entries) {
    const auto before = diagnostics_.items().size();
    SafetensorsEntry entry;
    entry.name = name;
    if (!value.is(Json::Kind::object)) {
      problem("SWY-3005", name,
              fmt::format("tensor `{}` must be an object with dtype, shape and data_offsets, not {}", name,
                          value.kind_name()));
      return;
    }
    for (const auto& member : value.members()) {
      if (member.key != "dtype" && member.key != "shape" && member.key != "data_offsets") {
        problem("SWY-3005", name, fmt::format("tensor `{}` has an unknown key `{}`", name, member.key));
      }
    }
    const auto* dtype = value.find("dtype");
    const auto* shape = value.find("shape");
    const auto* offsets = value.find("data_offsets");
    if (dtype == nullptr || !dtype->is(Json::Kind::string)) {
      problem("SWY-3005", name, fmt::format("tensor `{}` needs a dtype, a string", name));
    } else if (safetensors_bits(dtype->as_string()) == 0) {
      problem("SWY-3006", name, fmt::format("tensor `{}` has the unknown dtype `{}`", name, dtype->as_string())).help =
          fmt::format("the format has {}", fmt::join(safetensors_dtypes(), ", "));
    } else {
      entry.dtype = dtype->as_string();
    }
    if (shape == nullptr || !shape->is(Json::Kind::array)) {
      problem("SWY-3005", name, fmt::format("tensor `{}` needs a shape, an array", name));
    } else {
      for (const auto& size : shape->items()) {
        if (!is_size(size)) {
          problem("SWY-3007", name,
                  fmt::format("tensor `{}` has a size that is not a whole number in [0, 2^63)", name));
          break;
        }
        entry.shape.push_back(size.as_int());
      }
    }
    if (offsets == nullptr || !offsets->is(Json::Kind::array) || offsets->size() != 2) {
      problem("SWY-3005", name, fmt::format("tensor `{}` needs data_offsets, an array of two", name));
    } else if (!is_size(offsets->items()[0]) || !is_size(offsets->items()[1])) {
      problem("SWY-3008", name,
              fmt::format("tensor `{}` has data_offsets that are not whole numbers in [0, 2^63)", name));
    } else {
      entry.begin = offsets->items()[0].as_int();
      entry.end = offsets->items()[1].as_int();
    }
    if (diagnostics_.items().size() != before) return;
    if (entry.begin > entry.end) {
      problem("SWY-3008", name,
              fmt::format("tensor `{}` ends at byte {}, before it starts at {}", name, entry.end, entry.begin));
      return;
    }
    const auto size = size_of(entry.dtype, entry.shape);
    if (size.problem != nullptr) {
      problem("SWY-3007", name,
              fmt::format("tensor `{}`, {} {}, {}", name, entry.dtype, to_string(entry.shape), size.problem));
      return;
    }
    if (size.bytes != entry.bytes()) {
      problem("SWY-3008", name,
              fmt::format("tensor `{}`, {} {}, takes {} bytes, but its data_offsets [{}, {}) hold {}", name,
                          entry.dtype, to_string(entry.shape), size.bytes, entry.begin, entry.end, entry.bytes()));
      return;
    }
    entries.push_back(std::move(entry));
  }

  static bool is_size(const Json& value) { return value.is(Json::Kind::integer) && value.as_int() >= 0; }

  std::string file_;
  Diagnostics& diagnostics_;
};

/// The header's length, or nothing after a complaint.
std::optional<std::int64_t> header_length(std::string_view text, std::int64_t file_size, HeaderReader& reader) {
  if (file_size < 8 || text.size() < 8) {
    reader.problem("SWY-3001", "",
                   fmt::format("not a safetensors file: {} bytes, and the length of the header takes 8", file_size));
    return std::nullopt;
  }
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
  if (length > static_cast<std::uint64_t>(safetensors_header_limit)) {
    reader.problem("SWY-3002", "",
                   fmt::format("not a safetensors file, or a damaged one: it claims a header of {} bytes, and the "
                               "limit is {}",
                               length, safetensors_header_limit));
    return std::nullopt;
  }
  const auto claimed = static_cast<std::int64_t>(length);
  if (claimed > file_size - 8) {
    reader
        .problem("SWY-3002", "",
                 fmt::format("the header should have {} bytes, but only {} follow its length", claimed, file_size - 8))
        .help = "the file is truncated or not a safetensors file";
    return std::nullopt;
  }
  return claimed;
}

}  // namespace

const SafetensorsEntry* SafetensorsHeader::find(std::string_view name) const {
  if (names.size() == entries.size()) {
    const auto at = names.find(name, [&](std::size_t i) { return std::string_view(entries[i].name); });
    return at ? &entries[*at] : nullptr;
  }
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

int safetensors_bits(std::string_view dtype) {
  const auto rank = rank_of(dtype);
  return rank < std::size(dtype_rows) ? dtype_rows[rank].bits : 0;
}

const std::vector<std::string>& safetensors_dtypes() {
  static const auto names = [] {
    std::vector<std::string> out;
    for (const auto& row : dtype_rows) out.emplace_back(row.name);
    return out;
  }();
  return names;
}

std::optional<SafetensorsHeader> parse_safetensors_header(std::string_view text, std::int64_t file_size,
                                                          const std::string& file, Diagnostics& diagnostics) {
  HeaderReader reader(file, diagnostics);
  const auto length = header_length(text, file_size, reader);
  if (!length) return std::nullopt;
  const auto end = static_cast<std::size_t>(8 + *length);
  if (text.size() < end) {
    reader.problem("SWY-3001", "",
                   fmt::format("{} of the {} bytes of the header could be read", text.size() - 8, *length));
    return std::nullopt;
  }
  const auto json = text.substr(8, static_cast<std::size_t>(*length));
  if (json.empty() || json.front() != '{') {
    reader.problem("SWY-3003", "", "not a safetensors file: the header does not start with `{`");
    return std::nullopt;
  }
  Diagnostics syntax;
  JsonLimits limits;
  limits.bytes = static_cast<std::size_t>(safetensors_header_limit);
  limits.depth = 8;
  const auto root = parse_json(json, file, syntax, limits);
  for (const auto& finding : syntax.items()) {
    // Positions in the file: the header starts at byte 8.
    auto& copy = reader.problem(
        finding.code == "SWY-1003" ? "SWY-3004" : "SWY-3003", "",
        fmt::format("the header is damaged at byte {}: {}", finding.place.span.offset + 8, finding.message));
    copy.notes = finding.notes;
  }
  if (!root || !syntax.empty()) return std::nullopt;

  SafetensorsHeader header;
  header.data_start = static_cast<std::int64_t>(end);
  const auto before = diagnostics.count(Severity::error);
  reader.read(*root, header);
  if (diagnostics.count(Severity::error) == before) reader.check_cover(header.entries, file_size - header.data_start);
  if (diagnostics.count(Severity::error) != before) return std::nullopt;
  header.names =
      NameIndex(header.entries.size(), [&](std::size_t i) { return std::string_view(header.entries[i].name); });
  return header;
}

std::optional<SafetensorsHeader> read_safetensors_header(const std::string& path, Diagnostics& diagnostics) {
  HeaderReader reader(path, diagnostics);
  const auto before = diagnostics.count(Severity::error);
  // O_NONBLOCK: opening a pipe without a writer must not wait for ever; regular files ignore it.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info = {};
  if (file < 0 || ::fstat(file, &info) != 0) {
    reader.problem("SWY-3001", "", fmt::format("cannot open {}: {}", path, std::strerror(errno)));
    if (file >= 0) ::close(file);
    return std::nullopt;
  }
  if (!S_ISREG(info.st_mode)) {
    reader.problem("SWY-3001", "", fmt::format("{} is not a regular file", path));
    ::close(file);
    return std::nullopt;
  }
  std::string text;
  const auto read_up_to = [&](std::size_t size) {
    const auto begin = text.size();
    text.resize(std::max(begin, size));
    auto at = begin;
    while (at < size) {
      const auto got = ::read(file, text.data() + at, size - at);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      at += static_cast<std::size_t>(got);
    }
    text.resize(at);
  };
  const auto size = static_cast<std::int64_t>(info.st_size);
  read_up_to(8);
  if (const auto length = header_length(text, size, reader)) read_up_to(static_cast<std::size_t>(8 + *length));
  ::close(file);
  if (diagnostics.count(Severity::error) != before) return std::nullopt;
  return parse_safetensors_header(text, size, path, diagnostics);
}

std::vector<SafetensorsEntry> lay_out_safetensors(std::vector<SafetensorsEntry> entries) {
  std::set<std::string_view> names;
  for (const auto& entry : entries) {
    const auto refuse = [&](std::string_view why) {
      throw CheckpointError(fmt::format("tensor `{}` cannot be written: {}", entry.name, why));
    };
    if (entry.name == metadata_key) refuse("the name is reserved");
    if (!is_utf8(entry.name) || entry.name.find('\0') != std::string::npos) refuse("the name is not UTF-8 text");
    if (!names.insert(entry.name).second) refuse("there are two of that name");
    if (safetensors_bits(entry.dtype) == 0) refuse(fmt::format("the format has no dtype `{}`", entry.dtype));
    if (const auto size = size_of(entry.dtype, entry.shape); size.problem != nullptr) {
      refuse(fmt::format("{} {} {}", entry.dtype, to_string(entry.shape), size.problem));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    const auto rank_a = rank_of(a.dtype);
    const auto rank_b = rank_of(b.dtype);
    return rank_a != rank_b ? rank_a > rank_b : a.name < b.name;
  });
  std::int64_t at = 0;
  for (auto& entry : entries) {
    entry.begin = at;
    if (__builtin_add_overflow(at, size_of(entry.dtype, entry.shape).bytes, &at)) {
      throw CheckpointError(
          fmt::format("tensor `{}` cannot be written: the data would be larger than 63 bits can count", entry.name));
    }
    entry.end = at;
  }
  return entries;
}

std::string make_safetensors_header(const std::vector<SafetensorsEntry>& entries,
                                    const std::map<std::string, std::string>& metadata) {
  auto root = Json::object();
  if (!metadata.empty()) {
    auto object = Json::object();
    for (const auto& [key, value] : metadata) {
      if (!is_utf8(key) || !is_utf8(value) || key.find('\0') != std::string::npos ||
          value.find('\0') != std::string::npos) {
        throw CheckpointError(fmt::format("metadata `{}` cannot be written: it is not UTF-8 text", key));
      }
      object.set(key, value);
    }
    root.set(std::string(metadata_key), std::move(object));
  }
  for (const auto& entry : entries) {
    auto shape = Json::array();
    for (const auto size : entry.shape) shape.push(Json::integer(size));
    auto offsets = Json::array();
    offsets.push(Json::integer(entry.begin));
    offsets.push(Json::integer(entry.end));
    auto object = Json::object();
    object.set("dtype", entry.dtype);
    object.set("shape", std::move(shape));
    object.set("data_offsets", std::move(offsets));
    root.set(entry.name, std::move(object));
  }
  auto json = dump_json(root);
  json.append((8 - json.size() % 8) % 8, ' ');
  if (static_cast<std::int64_t>(json.size()) > safetensors_header_limit) {
    throw CheckpointError(
        fmt::format("the header would have {} bytes, and the limit is {}", json.size(), safetensors_header_limit));
  }
  std::string out;
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(json.size() >> shift & 0xff);
  return out + json;
}

}  // namespace switchyard
