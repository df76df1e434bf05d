#include "core/run/saved_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/run/tensor_file.h"
#include "core/utf8.h"

namespace switchyard {

namespace {

/// Entries of tensors in the order given, one after the other as in a file.
SafetensorsHeader header_of(const StateTensors& tensors) {
  SafetensorsHeader header;
  std::unordered_set<std::string_view> names;
  std::int64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto refuse = [&, &name = name](std::string_view why) {
      throw CheckpointError(fmt::format("the given state cannot be loaded: `{}` {}", name, why));
    };
    if (!tensor.defined()) refuse("is undefined");
    if (tensor.layout() != at::kStrided) refuse("is not a strided tensor");
    if (!is_utf8(name) || name.find('\0') != std::string::npos) refuse("is not UTF-8 text");
    if (!names.insert(name).second) refuse("is there twice");
    SafetensorsEntry entry{name, safetensors_dtype(tensor.scalar_type()), tensor.sizes().vec(), at, at};
    entry.end += static_cast<std::int64_t>(tensor.nbytes());
    at = entry.end;
    header.entries.push_back(std::move(entry));
  }
  header.names =
      NameIndex(header.entries.size(), [&](std::size_t i) { return std::string_view(header.entries[i].name); });
  return header;
}

/// Rank 0's text on every rank.
std::string first_text(const std::string& text, Communicator& communicator) {
  return communicator.all_gather(communicator.rank() == 0 ? text : "").front();
}

/// Rank 0's bytes on every rank, a stretch at a time: an exchange may hold its bytes once more for each rank.
void send_from_first(std::span<std::byte> bytes, Communicator& communicator) {
  constexpr std::size_t stretch = std::size_t{16} << 20;
  const auto ranks = static_cast<std::size_t>(communicator.size());
  const bool sends = communicator.rank() == 0;
  std::vector<std::byte> copies;
  for (std::size_t begin = 0; begin < bytes.size(); begin += stretch) {
    const auto part = bytes.subspan(begin, std::min(stretch, bytes.size() - begin));
    const auto length = static_cast<std::int64_t>(part.size());
    std::vector<std::int64_t> send_bytes(ranks, 0);
    std::vector<std::int64_t> receive_bytes(ranks, 0);
    if (sends) {
      copies.clear();
      for (std::size_t rank = 1; rank < ranks; ++rank) {
        copies.insert(copies.end(), part.begin(), part.end());
        send_bytes[rank] = length;
      }
    } else {
      receive_bytes[0] = length;
    }
    const auto bytes_of = [](std::span<std::byte> memory) {
      return memory.empty() ? at::empty({0}, at::kByte)
                            : at::from_blob(memory.data(), {static_cast<std::int64_t>(memory.size())}, at::kByte);
    };
    communicator
        .begin_all_to_all(bytes_of(copies), send_bytes, bytes_of(sends ? std::span<std::byte>() : part), receive_bytes)
        .wait();
  }
}

constexpr std::string_view refused = "refused: ";

}  // namespace

SavedState SavedState::from_folder(const std::string& path) {
  SavedState saved;
  saved.where_ = path;
  saved.index_ = std::make_unique<CheckpointIndex>(path);
  const auto& index = *saved.index_;
  const auto name = index.string(index.root(), "data");
  if (name.find('/') != std::string::npos)
    throw CheckpointError(fmt::format("{}: `data` must be a file of the folder", path));
  const TensorFile file(path + "/" + name);
  auto data = file.read();
  if (const auto promised = index.string(index.root(), "checksum"); data.checksum != promised) {
    throw CheckpointError(
        fmt::format("{}/{} is damaged: its checksum is {}, the index says {}", path, name, data.checksum, promised));
  }
  saved.header_ = file.header();
  saved.data_ = std::move(data.bytes);
  return saved;
}

SavedState SavedState::from_memory(const OptimizerState& given, Communicator& communicator) {
  SavedState saved;
  saved.where_ = "the given state";
  const bool gives = communicator.rank() == 0;
  const bool alone = communicator.size() == 1;
  std::string head;  // a header is what a list of tensors is without its bytes
  if (gives) {
    try {
      saved.header_ = header_of(given.tensors);
      for (const auto& [name, tensor] : given.tensors)
        saved.tensors_.push_back(tensor.detach().to(at::kCPU).contiguous());
      if (!alone) head = make_safetensors_header(saved.header_.entries, {});
    } catch (const CheckpointError& error) {
      if (alone) throw;
      head = std::string(refused) + error.what();
    }
  }
  if (!alone) {
    head = first_text(head, communicator);
    if (head.compare(0, refused.size(), refused) == 0) throw CheckpointError(head.substr(refused.size()));
    saved.receive(head, communicator);
  }
  const auto index = alone ? given.index : first_text(given.index, communicator);
  if (!index.empty()) saved.index_ = std::make_unique<CheckpointIndex>(index, saved.where_);
  return saved;
}

void SavedState::receive(const std::string& head, Communicator& communicator) {
  const auto sent = header_.entries.empty() ? 0 : header_.entries.back().end;
  const auto bytes = std::stoll(first_text(std::to_string(sent), communicator));
  if (communicator.rank() != 0) {
    Diagnostics diagnostics;
    auto header = parse_safetensors_header(head, static_cast<std::int64_t>(head.size()) + bytes, where_, diagnostics);
    if (!header) throw CheckpointError(render(diagnostics, {}));
    header_ = std::move(*header);
  }
  data_ = at::empty({std::max<std::int64_t>(bytes, 1)}, at::TensorOptions().dtype(at::kByte));
  auto* data = static_cast<char*>(data_.data_ptr());
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    std::memcpy(data + header_.entries[i].begin, tensors_[i].const_data_ptr(), tensors_[i].nbytes());
    tensors_[i].reset();
  }
  tensors_.clear();
  send_from_first(std::as_writable_bytes(std::span(data, static_cast<std::size_t>(bytes))), communicator);
}

at::Tensor SavedState::tensor(const SafetensorsEntry& entry) const {
  return data_.defined() ? view_of(entry, data_) : tensors_[position(entry)];
}

}  // namespace switchyard
