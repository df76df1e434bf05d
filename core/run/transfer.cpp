#include "core/run/transfer.h"

#include <ATen/ATen.h>

namespace switchyard {

namespace {

/// Items start on 16-byte boundaries of the buffers, so that typed views of them are aligned.
constexpr std::int64_t alignment = 16;
std::int64_t padded(std::int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

at::Tensor typed_view(const at::Tensor& buffer, std::int64_t offset, at::ScalarType dtype, at::IntArrayRef sizes) {
  return at::from_blob(static_cast<std::byte*>(buffer.mutable_data_ptr()) + offset, sizes,
                       at::TensorOptions().dtype(dtype));
}

/// Makes a buffer hold at least `size` bytes; it is never made smaller.
void grow(at::Tensor& buffer, std::int64_t size) {
  if (!buffer.defined() || buffer.numel() < size || buffer.numel() == 0)
    buffer = at::empty({std::max<std::int64_t>(size, 1)}, at::TensorOptions().dtype(at::kByte));
}

/// Where each rank's bytes begin; returns the bytes of all.
std::int64_t offsets(const std::vector<std::int64_t>& bytes, std::vector<std::int64_t>& at) {
  at.assign(bytes.size(), 0);
  std::int64_t total = 0;
  for (std::size_t r = 0; r < bytes.size(); ++r) {
    at[r] = total;
    total += bytes[r];
  }
  return total;
}

}  // namespace

void Transfer::add(int from, int to, std::int64_t elements, at::ScalarType dtype, const at::Tensor& source,
                   const at::Tensor& destination, std::size_t parameter) {
  if (elements == 0 || (from != rank_ && to != rank_)) return;
  const auto bytes = elements * static_cast<std::int64_t>(c10::elementSize(dtype));
  items_.push_back({from, to, bytes, dtype, from == rank_ ? source : at::Tensor(),
                    to == rank_ ? destination : at::Tensor(), parameter});
}

void Transfer::run(Communicator& communicator, const char* active) {
  const auto moves = [&](const Item& item) {
    return active == nullptr || item.parameter == always || active[item.parameter] != 0;
  };
  const auto ranks = static_cast<std::size_t>(size_);
  send_bytes_.assign(ranks, 0);
  receive_bytes_.assign(ranks, 0);
  for (const auto& item : items_) {
    if (!moves(item)) continue;
    if (item.from == item.to) {
      at::Tensor(item.destination).copy_(item.source);
      continue;
    }
    if (item.from == rank_) send_bytes_[static_cast<std::size_t>(item.to)] += padded(item.bytes);
    if (item.to == rank_) receive_bytes_[static_cast<std::size_t>(item.from)] += padded(item.bytes);
  }
  if (size_ == 1) return;
  grow(send_, offsets(send_bytes_, send_at_));
  grow(receive_, offsets(receive_bytes_, receive_at_));
  for (const auto& item : items_) {
    if (!moves(item) || item.from != rank_ || item.to == rank_) continue;
    auto& at = send_at_[static_cast<std::size_t>(item.to)];
    typed_view(send_, at, item.dtype, item.source.sizes()).copy_(item.source);
    at += padded(item.bytes);
  }
  communicator.begin_all_to_all(send_, send_bytes_, receive_, receive_bytes_).wait();
  for (const auto& item : items_) {
    if (!moves(item) || item.to != rank_ || item.from == rank_) continue;
    auto& at = receive_at_[static_cast<std::size_t>(item.from)];
    at::Tensor(item.destination).copy_(typed_view(receive_, at, item.dtype, item.destination.sizes()));
    at += padded(item.bytes);
  }
}

}  // namespace switchyard
