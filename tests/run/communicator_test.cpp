#include "core/run/communicator.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "core/error.h"

using namespace switchyard;

namespace {

/// The caller's memory as the bytes that a communicator takes.
at::Tensor bytes_of(std::vector<std::int64_t>& values) {
  return at::from_blob(values.data(), {static_cast<std::int64_t>(8 * values.size())}, at::kByte);
}

/// Every collective once, with values that tell rank and place.
void exercise(Communicator& communicator, std::vector<std::string>& problems) {
  const auto rank = static_cast<std::int64_t>(communicator.rank());
  const auto size = static_cast<std::int64_t>(communicator.size());
  const auto expect = [&](bool good, const char* what) {
    if (!good) problems[static_cast<std::size_t>(rank)] += what;
  };
  std::vector<std::int64_t> sums = {rank, 1, -rank * rank};
  communicator.all_reduce_sum(sums);
  std::int64_t squares = 0;
  for (std::int64_t r = 0; r < size; ++r) squares += r * r;
  expect(sums == std::vector<std::int64_t>{size * (size - 1) / 2, size, -squares}, "all_reduce ");

  // Rank s sends to rank r the values 100 s + r, (s + 2 r) % 3 times: some messages are empty.
  const auto count = [](std::int64_t from, std::int64_t to) { return (from + 2 * to) % 3; };
  std::vector<std::int64_t> send;
  std::vector<std::int64_t> expected;
  std::vector<std::int64_t> send_bytes;
  std::vector<std::int64_t> receive_bytes;
  for (std::int64_t r = 0; r < size; ++r) {
    send.insert(send.end(), static_cast<std::size_t>(count(rank, r)), 100 * rank + r);
    expected.insert(expected.end(), static_cast<std::size_t>(count(r, rank)), 100 * r + rank);
    send_bytes.push_back(8 * count(rank, r));
    receive_bytes.push_back(8 * count(r, rank));
  }
  std::vector<std::int64_t> received(expected.size(), -1);
  auto pending = communicator.begin_all_to_all(bytes_of(send), send_bytes, bytes_of(received), receive_bytes);
  pending.wait();
  pending.wait();  // once done, waiting is nothing
  expect(received == expected, "all_to_all ");

  const auto texts = communicator.all_gather("rank " + std::to_string(rank));
  for (std::int64_t r = 0; r < size; ++r)
    expect(texts.at(static_cast<std::size_t>(r)) == "rank " + std::to_string(r), "all_gather ");
}

}  // namespace

TEST_CASE("communicator: collectives give every rank what the others sent") {
  for (int size = 1; size <= 4; ++size) {
    std::vector<std::string> problems(static_cast<std::size_t>(size));
    ThreadWorld world(size);
    world.run([&](Communicator& communicator) {
      for (int repeat = 0; repeat < 20; ++repeat) exercise(communicator, problems);
    });
    for (const auto& problem : problems) CHECK(problem == "");
  }
  std::vector<std::string> problems(1);
  exercise(*self_communicator(), problems);
  CHECK(problems[0] == "");
}

TEST_CASE("communicator: a wait for a rank that never comes ends in time and says so") {
  ThreadWorld world(3, std::chrono::milliseconds(200));
  std::vector<std::string> said(3);
  const auto start = std::chrono::steady_clock::now();
  CHECK_THROWS_AS(world.run([&](Communicator& communicator) {
    if (communicator.rank() == 1) return;
    std::int64_t value = 1;
    try {
      communicator.all_reduce_sum({&value, 1});
    } catch (const CommunicatorError& error) {
      said[static_cast<std::size_t>(communicator.rank())] = error.what();
      throw;
    }
  }),
                  CommunicatorError);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  CHECK(said[0].find("200 ms") != std::string::npos);
  CHECK(said[2].find("200 ms") != std::string::npos);
}

TEST_CASE("communicator: a rank that throws ends the wait of all, who name it") {
  ThreadWorld world(4);
  std::atomic<int> named = 0;
  std::string thrown;
  const auto start = std::chrono::steady_clock::now();
  try {
    world.run([&](Communicator& communicator) {
      if (communicator.rank() == 2) throw std::runtime_error("disk full");
      try {
        communicator.all_gather("here");
      } catch (const CommunicatorError& error) {
        if (error.rank() == 2 && std::string(error.what()).find("disk full") != std::string::npos) ++named;
        throw;
      }
    });
  } catch (const std::runtime_error& error) {
    thrown = error.what();
  }
  CHECK(named.load() == 3);
  CHECK(thrown == "disk full");  // the first error itself, not what it did to the others
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

TEST_CASE("communicator: the first failure is the one that all report") {
  ThreadWorld world(2);
  std::string later;
  CHECK_THROWS(world.run([&](Communicator& communicator) {
    if (communicator.rank() == 0) {
      communicator.fail("first");
      communicator.fail("second");
    }
    try {
      communicator.all_gather("");
    } catch (const CommunicatorError& error) {
      if (communicator.rank() == 1) later = error.what();
      throw;
    }
  }));
  CHECK(later.find("first") != std::string::npos);
  CHECK(later.find("rank 0") != std::string::npos);
}

TEST_CASE("communicator: after a failure all ranks recover together, and only together") {
  std::vector<std::string> problems(3);
  std::atomic<int> heard = 0;
  ThreadWorld world(3);
  world.run([&](Communicator& communicator) {
    for (int round = 0; round < 5; ++round) {
      if (communicator.rank() == round % 3) communicator.fail("round " + std::to_string(round));
      try {
        communicator.all_gather("");
      } catch (const CommunicatorError& error) {
        if (std::string(error.what()).find("round " + std::to_string(round)) != std::string::npos) ++heard;
      }
      if (!communicator.failed()) problems[static_cast<std::size_t>(communicator.rank())] += "not failed ";
      communicator.recover();
      exercise(communicator, problems);
    }
  });
  CHECK(heard == 15);
  for (const auto& problem : problems) CHECK(problem == "");

  ThreadWorld lonely(2, std::chrono::milliseconds(50));
  std::string said;
  lonely.run([&](Communicator& communicator) {
    if (communicator.rank() == 1) return;
    communicator.fail("disk full");
    try {
      communicator.recover();
    } catch (const CommunicatorError& error) {
      said = error.what();
    }
  });
  CHECK(said.find("disk full") != std::string::npos);
  CHECK(said.find("1 of 2 ranks") != std::string::npos);
  CHECK(lonely.communicator(1).failed());
}

TEST_CASE("communicator: ranks that disagree on lengths are told") {
  ThreadWorld world(3, std::chrono::seconds(5));
  CHECK_THROWS_AS(world.run([&](Communicator& communicator) {
    std::vector<std::int64_t> values(communicator.rank() == 1 ? 3 : 4, 1);
    communicator.all_reduce_sum(values);
  }),
                  CommunicatorError);
  ThreadWorld other(2, std::chrono::seconds(5));
  CHECK_THROWS_AS(other.run([&](Communicator& communicator) {
    std::vector<std::int64_t> send(2, 7);
    std::vector<std::int64_t> receive(2, 0);
    const std::vector<std::int64_t> sent = {8, 8};
    const std::vector<std::int64_t> wanted =
        communicator.rank() == 0 ? std::vector<std::int64_t>{8, 8} : std::vector<std::int64_t>{0, 8};
    communicator.begin_all_to_all(bytes_of(send), sent, bytes_of(receive), wanted).wait();
  }),
                  CommunicatorError);
}
