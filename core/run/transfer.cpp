#include "core/run/transfer.h"

#include <ATen/ATen.h>

#include <cstring>

namespace switchyard {

namespace {

/// Items start on 16-byte boundaries of the buffers, so that typed views of them are aligned.
constexpr std::int64_t alignment = 16;
std::int64_t padded(std::int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

at::Tensor typed_view(at::Tensor& buffer, std::int64_t offset, at::ScalarType dtype, at::IntArrayRef sizes) {
  return at::from_blob(static_cast<std::byte*>(buffer.data_ptr()) + offset, sizes, at::TensorOptions().dtype(dtype));
}

at::Tensor bytes_tensor(std::int64_t size) {
  return at::empty({std::max<std::int64_t>(size, 1)}, at::TensorOptions().dtype(at::kByte));
}

}  // namespace

void Transfer::add(int from, int to, std::int64_t elements, at::ScalarType dtype, const at::Tensor& source,
                   const at::Tensor& destination) {
  if (elements == 0) return;
  const auto bytes = elements * static_cast<std::int64_t>(c10::elementSize(dtype));
  items_.push_back(
      {from, to, bytes, dtype, from == rank_ ? source : at::Tensor(), to == rank_ ? destination : at::Tensor()});
}

void Transfer::run(Communicator& communicator) {
  const auto ranks = static_cast<std::size_t>(size_);
  std::vector<std::int64_t> send_bytes(ranks, 0);
  std::vector<std::int64_t> receive_bytes(ranks, 0);
  for (const auto& item : items_) {
    if (item.from == item.to) {
      if (item.from == rank_) at::Tensor(item.destination).copy_(item.source);
      continue;
    }
    if (item.from == rank_) send_bytes[static_cast<std::size_t>(item.to)] += padded(item.bytes);
    if (item.to == rank_) receive_bytes[static_cast<std::size_t>(item.from)] += padded(item.bytes);
  }
  if (size_ == 1) {
    items_.clear();
    return;
  }
  std::vector<std::int64_t> send_at(ranks, 0);
  std::vector<std::int64_t> receive_at(ranks, 0);
  for (std::size_t r = 1; r < ranks; ++r) {
    send_at[r] = send_at[r - 1] + send_bytes[r - 1];
    receive_at[r] = receive_at[r - 1] + receive_bytes[r - 1];
  }
  const auto send_size = send_at.back() + send_bytes.back();
  const auto receive_size = receive_at.back() + receive_bytes.back();
  auto send = bytes_tensor(send_size);
  auto receive = bytes_tensor(receive_size);
  for (const auto& item : items_) {
    if (item.from != rank_ || item.to == rank_) continue;
    auto& at = send_at[static_cast<std::size_t>(item.to)];
    typed_view(send, at, item.dtype, item.source.sizes()).copy_(item.source);
    at += padded(item.bytes);
  }
  communicator.all_to_all(
      {static_cast<const std::byte*>(send.data_ptr()), static_cast<std::size_t>(send_size)}, send_bytes,
      {static_cast<std::byte*>(receive.data_ptr()), static_cast<std::size_t>(receive_size)}, receive_bytes);
  for (const auto& item : items_) {
    if (item.to != rank_ || item.from == rank_) continue;
    auto& at = receive_at[static_cast<std::size_t>(item.from)];
    at::Tensor(item.destination).copy_(typed_view(receive, at, item.dtype, item.destination.sizes()));
    at += padded(item.bytes);
  }
  items_.clear();
}

}  // namespace switchyard
