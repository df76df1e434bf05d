#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace switchyard {

/// A collective that is under way. Its tensors must not be touched before wait() has returned.
class Pending {
 public:
  Pending() = default;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  virtual ~Pending() = default;
  /// Returns when it is done; throws CommunicatorError as the communicator does.
  virtual void wait() = 0;
};

/// A handle to what is under way; empty for what was done at once.
class Handle {
 public:
  Handle() = default;
  explicit Handle(std::unique_ptr<Pending> pending) : pending_(std::move(pending)) {}
  void wait() {
    if (pending_) pending_->wait();
    pending_.reset();
  }

 private:
  std::unique_ptr<Pending> pending_;
};

/// How ranks talk. Every call is collective: all ranks make the same calls in the same order. Every wait has a timeout,
/// and ends at once when a peer has failed; it then throws CommunicatorError with the first error and its rank, on
/// every rank.
class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// values (int64, contiguous, equal length on all ranks) becomes the sum over ranks.
  [[nodiscard]] virtual Handle begin_all_reduce_sum(const at::Tensor& values) = 0;

  /// Ragged exchange: send (uint8, contiguous) holds send_bytes[r] bytes for each rank r, one after the other; receive
  /// is filled likewise. send_bytes[r] here equals receive_bytes[this rank] on rank r.
  [[nodiscard]] virtual Handle begin_all_to_all(const at::Tensor& send, std::span<const std::int64_t> send_bytes,
                                                const at::Tensor& receive,
                                                std::span<const std::int64_t> receive_bytes) = 0;

  /// The first, waited for, on memory of the caller.
  void all_reduce_sum(std::span<std::int64_t> values);

  /// Every rank's text, in order of rank. For set-up and errors, not for data.
  virtual std::vector<std::string> all_gather(const std::string& text) = 0;

  /// Tells the peers that this rank has failed; the first failure wins. Never blocks.
  virtual void fail(const std::string& message) noexcept = 0;
  /// True from the failure of any rank on, until all ranks have recovered: every other call throws.
  virtual bool failed() const = 0;
  /// Collective, where `failed`: waits until every rank has come here, and forgets the failure. Throws
  /// CommunicatorError, and stays failed, when a rank does not come in time.
  virtual void recover() = 0;
};

/// One rank: every exchange is a copy or nothing.
std::unique_ptr<Communicator> self_communicator();

/// Ranks as threads of one process, for tests and for trying a sharding on one machine.
class ThreadWorld {
 public:
  explicit ThreadWorld(int size, std::chrono::milliseconds timeout = std::chrono::seconds(60));
  ~ThreadWorld();

  /// The communicator of a rank; owned by the world, used by one thread.
  Communicator& communicator(int rank);

  /// Runs body(communicator) on a thread a rank, each with one intra-op thread, and waits for all. When a body throws,
  /// its peers' waits end; afterwards the exception of the rank that failed first is thrown again.
  void run(const std::function<void(Communicator&)>& body);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Communicator>> communicators_;
};

}  // namespace switchyard
