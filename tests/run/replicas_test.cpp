#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "core/run/replica_check.h"
#include "tests/run/mixed_bench.h"

/// Replicas on several ranks must be equal: the engine does not average gradients.

using namespace switchyard;

TEST_CASE("replicas: sums tell equal hashes from others on any number of ranks") {
  auto random = testing::random_engine(3);
  for (const int ranks : {1, 2, 3, 4, 7, 64, 1000}) {
    for (int trial = 0; trial < 50; ++trial) {
      const auto common = short_hash(random(), ranks);
      CHECK(common >= 0);
      std::int64_t sum = 0;
      std::int64_t squares = 0;
      for (int r = 0; r < ranks; ++r) {
        sum += common;
        squares += common * common;
      }
      CHECK(all_equal(sum, squares, ranks));
      if (ranks == 1) continue;
      const auto odd = short_hash(random(), ranks);
      if (odd == common) continue;
      CHECK_FALSE(all_equal(sum - common + odd, squares - common * common + odd * odd, ranks));
    }
  }
}

TEST_CASE("replicas: a hash is of the elements in order, not of where they lie") {
  auto random = testing::random_engine(4);
  const auto hash = [](const at::Tensor& t) {
    return hash_of_elements({const_cast<void*>(t.const_data_ptr()), t.scalar_type()}, t.sizes(), t.strides());
  };
  const auto x = testing::gaussian({5, 7}, random);
  CHECK(hash(x) == hash(x.t().contiguous().t()));
  auto y = x.clone();
  y[4][6] = y[4][6].item<float>() + 1e-6F * std::abs(y[4][6].item<float>()) + 1e-30F;
  CHECK(hash(x) != hash(y));
  CHECK(hash(x) != hash(x.t().contiguous()));
}

TEST_CASE("replicas: gradients and values that differ between ranks are refused with parameter and rank") {
  for (const bool gradient : {true, false}) {
    MixedModel model;
    model.setup.ranks = 3;
    std::vector<std::string> said(3);
    std::vector<std::string> changed(3, "?");
    ThreadWorld world(3);
    world.run([&](Communicator& communicator) {
      const auto rank = static_cast<std::size_t>(communicator.rank());
      auto bench = model.bench(&communicator);
      bench.step(1);
      bench.set_gradients(2);
      auto& tensor = bench.param("net.up.bias");
      if (rank == 1) (gradient ? tensor.mutable_grad() : tensor.data()).view(-1)[3] += 0.25;
      const auto before = bench.outcome();
      said[rank] = thrown_by<InvalidParameterError>([&] { bench.optimizer().step(); });
      changed[rank] = conformance::first_difference(bench.outcome(), before);
      if (rank == 1) (gradient ? tensor.mutable_grad() : tensor.data()).view(-1)[3] -= 0.25;
    });
    for (std::size_t rank = 0; rank < 3; ++rank) {
      INFO("rank ", rank, ": ", said[rank]);
      CHECK(said[rank].find(std::string("`net.up.bias` is replicated, but its ") + (gradient ? "gradient" : "value") +
                            " on rank 1 is not that of rank 0") != std::string::npos);
      CHECK(changed[rank] == "");
    }
  }
}

TEST_CASE("replicas: how often they are compared is the caller's choice") {
  for (const std::int64_t every : {0, 4}) {
    const auto registry = builtin_registry();
    std::vector<std::string> said(2);
    ThreadWorld world(2);
    world.run([&](Communicator& communicator) {
      NamedTensor named;
      named.name = "w";
      named.tensor = at::ones({8}).set_requires_grad(true);
      RunOptions options;
      options.communicator = &communicator;
      options.replica_checks = {.first = 1, .every = every};
      ComposedOptimizer optimizer({{.id = "g", .plugin = "sgd", .parameters = {"w"}}}, 0.1, {named}, registry, options);
      for (int step = 1; step <= 4; ++step) {
        named.tensor.mutable_grad() = at::full({8}, step == 1 ? 1.0 : 1.0 + communicator.rank());
        said[static_cast<std::size_t>(communicator.rank())] +=
            thrown_by([&] { optimizer.step(); }) == "nothing" ? "." : "!";
      }
    });
    for (const auto& text : said) CHECK(text == (every == 0 ? "...." : "...!"));
  }
}
