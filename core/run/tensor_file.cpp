#include "core/run/tensor_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/run/atomic_file.h"
#include "core/run/dtype_text.h"

namespace switchyard {

namespace {

constexpr std::array<std::pair<const char*, at::ScalarType>, 12> dtypes = {{{"F64", at::kDouble},
                                                                            {"F32", at::kFloat},
                                                                            {"F16", at::kHalf},
                                                                            {"BF16", at::kBFloat16},
                                                                            {"I64", at::kLong},
                                                                            {"I32", at::kInt},
                                                                            {"I16", at::kShort},
                                                                            {"I8", at::kChar},
                                                                            {"U8", at::kByte},
                                                                            {"BOOL", at::kBool},
                                                                            {"C64", at::kComplexFloat},
                                                                            {"F8_E4M3", at::kFloat8_e4m3fn}}};

}  // namespace

std::string safetensors_dtype(at::ScalarType type) {
  for (const auto& [name, one] : dtypes) {
    if (one == type) return name;
  }
  throw CheckpointError(fmt::format("safetensors has no dtype {}", dtype_text(type)));
}

at::ScalarType scalar_type_of(const std::string& safetensors_name) {
  for (const auto& [name, one] : dtypes) {
    if (safetensors_name == name) return one;
  }
  throw CheckpointError(fmt::format("dtype {} cannot be loaded", safetensors_name));
}

std::string write_tensor_file(const std::string& path, const std::vector<SafetensorsEntry>& entries,
                              const std::map<std::string, std::string>& metadata,
                              const std::function<at::Tensor(const SafetensorsEntry&)>& next) {
  AtomicFile file(path);
  const auto header = make_safetensors_header(entries, metadata);
  file.write(header);
  Checksum checksum;
  checksum.add(header.data(), header.size());
  for (const auto& entry : entries) {
    const auto tensor = next(entry).contiguous();
    const auto bytes = static_cast<std::size_t>(tensor.nbytes());
    if (static_cast<std::int64_t>(bytes) != entry.bytes()) {
      throw CheckpointError(fmt::format("`{}` has {} bytes, the header says {}", entry.name, bytes, entry.bytes()));
    }
    file.write(tensor.const_data_ptr(), bytes);
    checksum.add(tensor.const_data_ptr(), bytes);
  }
  file.commit();
  return checksum.hex();
}

void save_tensors(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                  const std::map<std::string, std::string>& metadata) {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, at::Tensor> by_name;
  for (const auto& [name, tensor] : tensors) {
    entries.push_back({name, safetensors_dtype(tensor.scalar_type()), tensor.sizes().vec()});
    by_name.emplace(name, tensor);
  }
  write_tensor_file(path, lay_out_safetensors(std::move(entries)), metadata,
                    [&](const SafetensorsEntry& entry) { return by_name.at(entry.name).detach().cpu(); });
}

std::string dtype_text(const std::string& safetensors_name) {
  for (const auto& [name, one] : dtypes) {
    if (safetensors_name == name) return dtype_text(one);
  }
  return safetensors_name;
}

TensorFile::TensorFile(const std::string& path) : path_(path), file_(std::make_unique<RegularFile>(path)) {
  if (!file_->good()) throw CheckpointError(fmt::format("cannot open {}: {}", path, file_->problem()));
  head_ = file_->read_at(0, 8);
  std::uint64_t length = 0;
  for (auto i = head_.size(); i > 0; --i) length = length << 8 | static_cast<unsigned char>(head_[i - 1]);
  // A length that is too long for the file or the format is refused below, by the 8 bytes alone.
  const auto rest = static_cast<std::uint64_t>(std::max<std::int64_t>(0, file_->size() - 8));
  if (length <= rest && length <= static_cast<std::uint64_t>(safetensors_header_limit))
    head_ = file_->read_at(0, 8 + static_cast<std::int64_t>(length));
  Diagnostics diagnostics;
  auto header = parse_safetensors_header(head_, file_->size(), path, diagnostics);
  if (!header) throw CheckpointError(render(diagnostics, {}));
  header_ = std::move(*header);
}

void TensorFile::read_range(std::int64_t begin, std::int64_t end, void* to) const {
  const auto length = static_cast<std::size_t>(end - begin);
  if (const auto got = file_->read_at(header_.data_start + begin, to, length); got != length)
    throw CheckpointError(fmt::format("cannot read {}: {} of {} bytes at byte {} could be read", path_, got, length,
                                      header_.data_start + begin));
}

at::Tensor TensorFile::tensor(const std::string& name) const {
  const auto* entry = header_.find(name);
  if (entry == nullptr) throw CheckpointError(fmt::format("{} has no tensor `{}`", path_, name));
  auto out = at::empty(entry->shape, at::TensorOptions().dtype(scalar_type_of(entry->dtype)));
  read_range(entry->begin, entry->end, out.data_ptr());
  return out;
}

std::string TensorFile::checksum() const { return read_through(nullptr); }

TensorFile::Data TensorFile::read() const {
  Data data;
  const auto bytes = header_.entries.empty() ? 0 : header_.entries.back().end;
  data.bytes = at::empty({std::max<std::int64_t>(bytes, 1)}, at::TensorOptions().dtype(at::kByte));
  data.checksum = read_through(static_cast<char*>(data.bytes.data_ptr()));
  return data;
}

/// The checksum is over the header and then entry by entry, each entry a piece of its own. Read are many small entries
/// at a time, or a slice of a large one; slices are multiples of 8 bytes, as pieces of a checksum must be.
std::string TensorFile::read_through(char* whole) const {
  constexpr std::int64_t slice = std::int64_t{4} << 20;
  std::vector<char> buffer(whole == nullptr ? static_cast<std::size_t>(slice) : 0);
  Checksum checksum;
  checksum.add(head_.data(), head_.size());
  const auto& entries = header_.entries;
  std::int64_t at = 0;
  for (std::size_t next = 0; next < entries.size();) {
    auto last = next;
    auto end = at;
    while (last < entries.size() && entries[last].end - at <= slice) end = entries[last++].end;
    if (last == next) end = at + slice;
    char* to = whole == nullptr ? buffer.data() : whole + at;
    read_range(at, end, to);
    if (last == next) checksum.add(to, static_cast<std::size_t>(slice));
    for (; next < last; ++next) {
      const auto begin = std::max(at, entries[next].begin);
      checksum.add(to + (begin - at), static_cast<std::size_t>(entries[next].end - begin));
    }
    at = end;
  }
  return checksum.hex();
}

at::Tensor view_of(const SafetensorsEntry& entry, const at::Tensor& data) {
  return at::from_blob(static_cast<char*>(data.data_ptr()) + entry.begin, entry.shape,
                       at::TensorOptions().dtype(scalar_type_of(entry.dtype)));
}

}  // namespace switchyard
