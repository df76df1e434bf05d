#include "core/run/tensor_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "core/error.h"
#include "core/run/atomic_file.h"

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
  throw CheckpointError(fmt::format("safetensors has no dtype {}", c10::toString(type)));
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

TensorFile::TensorFile(const std::string& path) : path_(path) {
  Diagnostics diagnostics;
  auto header = read_safetensors_header(path, diagnostics);
  if (!header) throw CheckpointError(render(diagnostics, {}));
  header_ = std::move(*header);
  const auto bytes = header_.entries.empty() ? 0 : header_.entries.back().end;
  head_.resize(static_cast<std::size_t>(header_.data_start));
  data_ = at::empty({std::max<std::int64_t>(bytes, 1)}, at::TensorOptions().dtype(at::kByte));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file || std::fread(head_.data(), 1, head_.size(), file.get()) != head_.size() ||
      std::fread(data_.data_ptr(), 1, static_cast<std::size_t>(bytes), file.get()) != static_cast<std::size_t>(bytes)) {
    throw CheckpointError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  }
}

at::Tensor TensorFile::tensor(const std::string& name) const {
  const auto* entry = header_.find(name);
  if (entry == nullptr) throw CheckpointError(fmt::format("{} has no tensor `{}`", path_, name));
  auto view = at::from_blob(static_cast<char*>(data_.data_ptr()) + entry->begin, entry->shape,
                            at::TensorOptions().dtype(scalar_type_of(entry->dtype)));
  return view;
}

std::string TensorFile::checksum() const {
  Checksum checksum;
  checksum.add(head_.data(), head_.size());
  for (const auto& entry : header_.entries) {
    checksum.add(static_cast<const char*>(data_.const_data_ptr()) + entry.begin,
                 static_cast<std::size_t>(entry.bytes()));
  }
  return checksum.hex();
}

}  // namespace switchyard
