#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "core/run/transfer.h"
#include "tests/kernels/values.h"

using namespace switchyard;

TEST_CASE("transfer: items arrive through any strides and dtypes, in one exchange") {
  constexpr int ranks = 3;
  constexpr int items = 40;
  struct Move {
    int from, to;
    std::vector<std::int64_t> shape;
    at::ScalarType dtype;
  };
  auto random = testing::random_engine(2);
  std::vector<Move> plans;
  std::vector<at::Tensor> sources;
  for (int i = 0; i < items; ++i) {
    const auto pick = [&](std::int64_t n) { return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random); };
    const std::vector<at::ScalarType> dtypes = {at::kFloat, at::kDouble, at::kBFloat16, at::kByte, at::kLong};
    Move plan = {static_cast<int>(pick(ranks)),
                 static_cast<int>(pick(ranks)),
                 {pick(4), 1 + pick(5)},
                 dtypes[static_cast<std::size_t>(pick(5))]};
    sources.push_back(testing::gaussian(plan.shape, random).mul(10).abs().to(plan.dtype));
    plans.push_back(std::move(plan));
  }
  std::vector<at::Tensor> arrived(items);
  ThreadWorld world(ranks);
  world.run([&](Communicator& communicator) {
    const int rank = communicator.rank();
    Transfer transfer(rank, ranks);
    CHECK(transfer.empty());
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const auto& plan = plans[i];
      const auto elements = plan.shape[0] * plan.shape[1];
      // Sources lie transposed, destinations with gaps.
      const auto source = rank == plan.from ? sources[i].t().contiguous().t() : at::Tensor();
      at::Tensor destination;
      if (rank == plan.to) {
        destination = at::zeros({plan.shape[0], plan.shape[1], 2}, at::TensorOptions().dtype(plan.dtype)).select(2, 1);
        arrived[i] = destination;
      }
      transfer.add(plan.from, plan.to, elements, plan.dtype, source, destination);
    }
    transfer.run(communicator);
    transfer.run(communicator);  // the same again
    transfer.clear();
    CHECK(transfer.empty());
    transfer.run(communicator);  // with nothing to move
  });
  for (std::size_t i = 0; i < plans.size(); ++i) {
    INFO("item ", i, " from ", plans[i].from, " to ", plans[i].to);
    CHECK(testing::same_bits(arrived[i], sources[i]));
  }
}

TEST_CASE("transfer: the destination's own dtype is rounded to once") {
  ThreadWorld world(2);
  at::Tensor arrived = at::zeros({3}, at::kBFloat16);
  const auto source = at::tensor({1.00390625, 3.14159, -1e-3}, at::kFloat);
  world.run([&](Communicator& communicator) {
    Transfer transfer(communicator.rank(), 2);
    transfer.add(1, 0, 3, at::kFloat, communicator.rank() == 1 ? source : at::Tensor(),
                 communicator.rank() == 0 ? arrived : at::Tensor());
    transfer.run(communicator);
  });
  CHECK(testing::same_bits(arrived, source.to(at::kBFloat16)));
}

TEST_CASE("transfer: only items of active parameters move") {
  ThreadWorld world(2);
  std::vector<at::Tensor> arrived = {at::zeros({2}), at::zeros({3}), at::zeros({4})};
  world.run([&](Communicator& communicator) {
    const bool sender = communicator.rank() == 1;
    Transfer transfer(communicator.rank(), 2);
    for (std::size_t i = 0; i < arrived.size(); ++i) {
      const auto value = at::full(arrived[i].sizes(), static_cast<double>(i + 1), at::kFloat);
      transfer.add(1, 0, value.numel(), at::kFloat, sender ? value : at::Tensor(), sender ? at::Tensor() : arrived[i],
                   i == 2 ? Transfer::always : i);
    }
    const std::vector<char> active = {0, 1};
    transfer.run(communicator, active.data());
  });
  CHECK(arrived[0].eq(0).all().item<bool>());
  CHECK(arrived[1].eq(2).all().item<bool>());
  CHECK(arrived[2].eq(3).all().item<bool>());
}
