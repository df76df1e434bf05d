#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "core/error.h"
#include "core/run/communicator.h"

namespace switchyard {

/// What the ranks share. A collective is: post what the peers may read, meet, read, meet again (so that nobody's memory
/// goes away while it is read).
struct ThreadWorld::Shared {
  struct Post {
    const void* data = nullptr;
    std::vector<std::int64_t> sizes;
    std::string text;
  };

  Shared(int size, std::chrono::milliseconds limit) : posts(static_cast<std::size_t>(size)), timeout(limit) {}

  /// Waits until all ranks have come here.
  void meet(int rank) {
    std::unique_lock lock(mutex);
    throw_if_failed();
    const auto meeting = meetings;
    if (++arrived == static_cast<int>(posts.size())) {
      arrived = 0;
      ++meetings;
      all_here.notify_all();
      return;
    }
    const bool came = all_here.wait_for(lock, timeout, [&] { return meetings != meeting || failed_rank >= 0; });
    if (meetings != meeting) return;
    if (!came) {
      fail_locked(rank, fmt::format("waited {} ms for {} of {} ranks", timeout.count(),
                                    posts.size() - static_cast<std::size_t>(arrived), posts.size()));
    }
    throw_if_failed();
  }

  void fail(int rank, const std::string& message) {
    const std::scoped_lock lock(mutex);
    fail_locked(rank, message);
  }

  void fail_locked(int rank, const std::string& message) {
    if (failed_rank < 0) {
      failed_rank = rank;
      failure = message;
    }
    all_here.notify_all();
  }

  /// Waits until all ranks have come here. None of them is in `meet` then: its waits have ended with the failure.
  void recover(int rank) {
    std::unique_lock lock(mutex);
    const auto recovery = recoveries;
    if (++recovering == static_cast<int>(posts.size())) {
      recovering = 0;
      ++recoveries;
      arrived = 0;
      failed_rank = -1;
      failure.clear();
      all_here.notify_all();
      return;
    }
    if (all_here.wait_for(lock, timeout, [&] { return recoveries != recovery; })) return;
    const auto missing = static_cast<int>(posts.size()) - recovering;
    --recovering;
    throw CommunicatorError(fmt::format("rank {} failed: {}; waited {} ms for {} of {} ranks to recover", failed_rank,
                                        failure, timeout.count(), missing, posts.size()),
                            rank);
  }

  void throw_if_failed() const {
    if (failed_rank >= 0) throw CommunicatorError(fmt::format("rank {} failed: {}", failed_rank, failure), failed_rank);
  }

  std::mutex mutex;
  std::condition_variable all_here;
  std::vector<Post> posts;
  std::chrono::milliseconds timeout;
  int arrived = 0;
  std::uint64_t meetings = 0;
  int failed_rank = -1;
  std::string failure;
  int recovering = 0;
  std::uint64_t recoveries = 0;
};

namespace {

/// `S` is ThreadWorld::Shared, which is private.
template <class S>
class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(std::shared_ptr<S> shared, int rank) : shared_(std::move(shared)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(shared_->posts.size()); }

  Handle begin_all_reduce_sum(const at::Tensor& values) override {
    auto& mine = post();
    const auto count = static_cast<std::size_t>(values.numel());
    auto* own = values.mutable_data_ptr<std::int64_t>();
    mine.data = own;
    mine.sizes = {values.numel()};
    shared_->meet(rank_);
    sum_.assign(count, 0);
    // A rank that disagrees still comes to the second meeting: until then its peers may be reading its memory.
    bool agreed = true;
    for (const auto& other : shared_->posts) {
      agreed = agreed && other.sizes == mine.sizes;
      if (!agreed) break;
      const auto* data = static_cast<const std::int64_t*>(other.data);
      // Unsigned: sums of checksums may wrap around.
      for (std::size_t i = 0; i < count; ++i) sum_[i] += static_cast<std::uint64_t>(data[i]);
    }
    shared_->meet(rank_);
    if (!agreed) throw CommunicatorError("all-reduce with different lengths on different ranks", rank_);
    for (std::size_t i = 0; i < count; ++i) own[i] = static_cast<std::int64_t>(sum_[i]);
    return {};
  }

  Handle begin_all_to_all(const at::Tensor& send, std::span<const std::int64_t> send_bytes, const at::Tensor& receive,
                          std::span<const std::int64_t> receive_bytes) override {
    auto& mine = post();
    mine.data = send.const_data_ptr();
    mine.sizes.assign(send_bytes.begin(), send_bytes.end());
    shared_->meet(rank_);
    auto* out = static_cast<std::byte*>(receive.mutable_data_ptr());
    bool agreed = true;
    for (std::size_t r = 0; r < shared_->posts.size(); ++r) {
      const auto& other = shared_->posts[r];
      const auto bytes = other.sizes[static_cast<std::size_t>(rank_)];
      agreed = agreed && bytes == receive_bytes[r];
      if (!agreed) break;
      const auto skip = std::accumulate(other.sizes.begin(), other.sizes.begin() + rank_, std::int64_t{0});
      if (bytes > 0)
        std::memcpy(out, static_cast<const std::byte*>(other.data) + skip, static_cast<std::size_t>(bytes));
      out += bytes;
    }
    shared_->meet(rank_);
    if (!agreed) throw CommunicatorError("all-to-all: ranks disagree on the bytes to exchange", rank_);
    return {};
  }

  std::vector<std::string> all_gather(const std::string& text) override {
    post().text = text;
    shared_->meet(rank_);
    std::vector<std::string> all;
    for (const auto& other : shared_->posts) all.push_back(other.text);
    shared_->meet(rank_);
    return all;
  }

  void fail(const std::string& message) noexcept override {
    try {
      shared_->fail(rank_, message);
    } catch (...) {  // NOLINT(bugprone-empty-catch): a failure to report a failure; the peers' timeout remains
    }
  }

  bool failed() const override {
    const std::scoped_lock lock(shared_->mutex);
    return shared_->failed_rank >= 0;
  }
  void recover() override { shared_->recover(rank_); }

 private:
  auto& post() { return shared_->posts[static_cast<std::size_t>(rank_)]; }

  std::shared_ptr<S> shared_;
  int rank_;
  std::vector<std::uint64_t> sum_;
};

}  // namespace

ThreadWorld::ThreadWorld(int size, std::chrono::milliseconds timeout)
    : shared_(std::make_shared<Shared>(size, timeout)) {
  for (int rank = 0; rank < size; ++rank)
    communicators_.push_back(std::make_unique<ThreadCommunicator<Shared>>(shared_, rank));
}

ThreadWorld::~ThreadWorld() = default;

Communicator& ThreadWorld::communicator(int rank) { return *communicators_[static_cast<std::size_t>(rank)]; }

void ThreadWorld::run(const std::function<void(Communicator&)>& body) {
  const int threads_before = at::get_num_threads();
  std::vector<std::exception_ptr> errors(communicators_.size());
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < communicators_.size(); ++rank) {
    threads.emplace_back([&, rank] {
      at::set_num_threads(1);
      try {
        body(*communicators_[rank]);
      } catch (const std::exception& error) {
        errors[rank] = std::current_exception();
        communicators_[rank]->fail(error.what());
      } catch (...) {
        errors[rank] = std::current_exception();
        communicators_[rank]->fail("an exception that is not a std::exception");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  at::set_num_threads(threads_before);  // part of the setting is the process's, not the thread's
  const std::scoped_lock lock(shared_->mutex);
  const auto first = shared_->failed_rank;
  if (first >= 0 && errors[static_cast<std::size_t>(first)])
    std::rethrow_exception(errors[static_cast<std::size_t>(first)]);
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace switchyard
